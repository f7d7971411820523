"""A table of DynamoDB in memory: as much of it as the store speaks, exact in that, and it refuses the rest.

`tests/e2e/test_store.py` runs the same tests against it and against the local cloud's table.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import Any

from botocore.exceptions import ClientError

Item = dict[str, Any]
_TOKENS = re.compile(r"\s*(attribute_not_exists|attribute_exists|AND|OR|IN|[#:]?\w+(?:\.#?\w+)*|[()=<,])")


class Refused(ClientError):
    """An error that the client knows by its code."""

    def __init__(self, code: str, operation: str, **more: Any) -> None:
        super().__init__({"Error": {"Code": code, "Message": code}, **more}, operation)


class ConditionalCheckFailedException(Refused):
    pass


class TransactionConflictException(Refused):
    pass


class TransactionCanceledException(Refused):
    pass


class MemoryTable:
    """The calls of a DynamoDB client, on one table.

    Attributes:
        items: what it holds, by partition and sort key.
        records: what its stream tells: partition key, sort key, and what happened; a reader takes them out.
        before_write: is called before each write, and may raise: then nothing was written. It may also write itself:
            then somebody came between.
        after_write: is called after each write, and may raise: then it was written, and nobody was told.
    """

    class exceptions:
        ConditionalCheckFailedException = ConditionalCheckFailedException
        TransactionConflictException = TransactionConflictException
        TransactionCanceledException = TransactionCanceledException

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], Item] = {}
        self._sort_keys: dict[str, set[str]] = defaultdict(set)
        self.records: list[tuple[str, str, str]] = []
        self.before_write: Callable[[], None] = lambda: None
        self.after_write: Callable[[], None] = lambda: None
        # Held from the look at a condition to the write, and not while somebody is called.
        self._writing = Lock()

    def get_item(self, TableName: str, Key: Item, ConsistentRead: bool) -> dict[str, Any]:
        item = self.items.get(_key(Key))
        return {} if item is None else {"Item": item}

    def batch_get_item(self, RequestItems: dict[str, Any]) -> dict[str, Any]:
        ((table, asked),) = RequestItems.items()
        keys = [_key(key) for key in asked["Keys"]]
        assert 0 < len(keys) == len(set(keys)) <= 100, "a call has a key once, and at most 100"
        return {"Responses": {table: [self.items[key] for key in keys if key in self.items]}, "UnprocessedKeys": {}}

    def put_item(self, TableName: str, Item: Item) -> None:
        with self._one_write():
            self._write([{"Put": {"Item": Item}}])

    def update_item(self, TableName: str, **update: Any) -> None:
        with self._one_write():
            if self._failing([{"Update": update}]):
                raise ConditionalCheckFailedException("ConditionalCheckFailedException", "UpdateItem")
            self._write([{"Update": update}])

    def transact_write_items(self, TransactItems: list[dict[str, Any]]) -> None:
        keys = [_key(_key_of(item)) for item in TransactItems]
        assert len(keys) == len(set(keys)) <= 100, "a transaction has an item once, and at most 100"
        with self._one_write():
            failing = self._failing(TransactItems)
            if failing:
                codes = ["ConditionalCheckFailed" if n in failing else "None" for n in range(len(TransactItems))]
                raise _cancelled(codes)
            try:
                self._write(TransactItems)
            except Refused:
                raise _cancelled(["ValidationError"]) from None

    @contextmanager
    def _one_write(self) -> Iterator[None]:
        self.before_write()
        with self._writing:
            yield
        self.after_write()

    def get_paginator(self, name: str) -> "MemoryTable":
        assert name == "query"
        return self

    def paginate(self, TableName: str, **query: Any) -> Iterator[dict[str, Any]]:
        names, values = query.pop("ExpressionAttributeNames", {}), query.pop("ExpressionAttributeValues")
        backwards = query.pop("ScanIndexForward", True) is False
        condition, kept = query.pop("KeyConditionExpression"), query.pop("FilterExpression", None)
        order = {"list": "createdAt", "open": "pk", None: "sk"}[query.pop("IndexName", None)]
        query.pop("ConsistentRead", None)
        assert not query, query
        found = []
        # A list of its own: other threads may write meanwhile.
        items = list(self.items.values())
        if order == "sk":
            # An item of another partition is not looked at.
            pk = values[":pk"]["S"]
            items = [self.items[pk, sk] for sk in list(self._sort_keys.get(pk, ()))]
        for item in items:
            held = all(_holds_key(part, item, names, values) for part in condition.split(" AND "))
            if held and order in item and (kept is None or _holds(kept, item, names, values)):
                found.append(item)
        found.sort(key=lambda item: item[order]["S"], reverse=backwards)
        yield {"Items": found}

    def _failing(self, items: list[dict[str, Any]]) -> set[int]:
        failing = set()
        for number, item in enumerate(items):
            ((_, write),) = item.items()
            condition = write.get("ConditionExpression")
            there = self.items.get(_key(_key_of(item)), {})
            names, values = write.get("ExpressionAttributeNames", {}), write.get("ExpressionAttributeValues", {})
            if condition and not _holds(condition, there, names, values):
                failing.add(number)
        return failing

    def _write(self, items: list[dict[str, Any]]) -> None:
        after = {}
        for item in items:
            ((kind, write),) = item.items()
            key = _key(_key_of(item))
            if kind == "Put":
                after[key] = write["Item"]
            elif kind == "Update":
                after[key] = _updated(self.items.get(key) or dict(write["Key"]), write)
            else:
                assert kind == "ConditionCheck", kind
        # All or nothing: one that is invalid has been refused by now.
        for key, written in after.items():
            self.records.append((*key, "MODIFY" if key in self.items else "INSERT"))
            self.items[key] = written
            self._sort_keys[key[0]].add(key[1])


def _cancelled(codes: list[str]) -> TransactionCanceledException:
    reasons = [{"Code": code} for code in codes]
    return TransactionCanceledException(
        "TransactionCanceledException", "TransactWriteItems", CancellationReasons=reasons
    )


def _key(key: Item) -> tuple[str, str]:
    return key["pk"]["S"], key["sk"]["S"]


def _key_of(item: Mapping[str, Any]) -> Item:
    ((_, write),) = item.items()
    return dict(write["Key"] if "Key" in write else write["Item"])


def _updated(item: Item, write: Mapping[str, Any]) -> Item:
    """A new item: what is in the table is never changed, so a reader may keep what it was given."""
    item = dict(item)
    names, values = write.get("ExpressionAttributeNames", {}), write.get("ExpressionAttributeValues", {})

    def place(path: str) -> tuple[Item, str]:
        *folders, last = [names.get(step, step) for step in path.split(".")]
        there = item
        for folder in folders:
            if folder not in there:
                raise Refused("ValidationException", "UpdateItem")
            there[folder] = {"M": dict(there[folder]["M"])}
            there = there[folder]["M"]
        return there, last

    sets, _, removes = write["UpdateExpression"].partition("REMOVE")
    for part in filter(None, map(str.strip, sets.replace("SET", "", 1).split(","))):
        path, value = part.split(" = ")
        there, last = place(path)
        there[last] = values[value]
    for path in filter(None, map(str.strip, removes.split(","))):
        there, last = place(path)
        there.pop(last, None)
    return item


def _holds_key(condition: str, item: Item, names: Mapping[str, str], values: Mapping[str, Any]) -> bool:
    if match := re.fullmatch(r"begins_with\((\w+), (:\w+)\)", condition):
        return bool(item[match[1]]["S"].startswith(values[match[2]]["S"]))
    left, right = condition.split(" = ")
    return bool(item.get(names.get(left, left)) == values[right])


def _holds(expression: str, item: Item, names: Mapping[str, str], values: Mapping[str, Any]) -> bool:
    """Whether a condition holds: comparisons, IN, the two functions, AND, OR and brackets."""
    tokens = _TOKENS.findall(expression)
    assert "".join(tokens) == re.sub(r"\s", "", expression), expression

    def value(token: str) -> Any:
        if token.startswith(":"):
            return _plain(values[token])
        there = item.get(names.get(token, token))
        return None if there is None else _plain(there)

    def either() -> bool:
        held = both()
        while tokens and tokens[0] == "OR":
            tokens.pop(0)
            held = both() or held
        return held

    def both() -> bool:
        held = one()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            held = one() and held
        return held

    def one() -> bool:
        token = tokens.pop(0)
        if token == "(":
            held = either()
            assert tokens.pop(0) == ")"
            return held
        if token in ("attribute_not_exists", "attribute_exists"):
            _, name, _ = tokens.pop(0), tokens.pop(0), tokens.pop(0)
            return (value(name) is not None) == (token == "attribute_exists")
        operator = tokens.pop(0)
        if operator == "IN":
            among = []
            assert tokens.pop(0) == "("
            while (each := tokens.pop(0)) != ")":
                among += [] if each == "," else [value(each)]
            return value(token) in among
        left, right = value(token), value(tokens.pop(0))
        if operator == "=":
            return bool(left == right)
        assert operator == "<", expression
        return left is not None and bool(left < right)

    held = either()
    assert not tokens, expression
    return held


def _plain(value: Item) -> Any:
    ((kind, content),) = value.items()
    return float(content) if kind == "N" else content
