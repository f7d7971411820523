"""Tells many players how far their batches are, as an event does: who asks again and again keeps the cloud busy."""

import threading
from typing import Any, Self

from gtplus_runtime.store import HEAD
from tests.e2e.world import World


class Watcher:
    """Follows the table's stream; one read tells all the players.

    Args:
        world: whose table it is.
        every: seconds between two looks.
    """

    def __init__(self, world: World, every: float = 0.1) -> None:
        self.every = every
        self._streams = world.root.client("dynamodbstreams")
        self._arn = world.root.client("dynamodb").describe_table(TableName=world.facts["table"])["Table"][
            "LatestStreamArn"
        ]
        self._store = world.store
        self._heads: dict[str, dict[str, Any]] = {}
        self._moved, self._over = threading.Condition(), threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def wait(self, batch: str, seconds: float = 300, **at_least: int) -> None:
        """Wait until a batch is so far.

        Args:
            batch: which.
            seconds: how long at the most.
            at_least: numbers of its head: `seq`, the last event, or `handled`, the last one handled.
        """

        def there() -> bool:
            head = self._heads.get(batch, {})
            return all(head.get(name, 0) >= number for name, number in at_least.items())

        with self._moved:
            assert self._moved.wait_for(there, seconds), f"{batch} is not at {at_least} after {seconds} s"

    def _watch(self) -> None:
        (shard,) = self._streams.describe_stream(StreamArn=self._arn)["StreamDescription"]["Shards"]
        at = self._streams.get_shard_iterator(
            StreamArn=self._arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        while not self._over.wait(self.every):
            answer = self._streams.get_records(ShardIterator=at)
            at = answer["NextShardIterator"]
            keys = [record["dynamodb"]["Keys"] for record in answer["Records"]]
            moved = {(key["pk"]["S"], HEAD) for key in keys if key["sk"]["S"] == HEAD}
            heads = self._store.read(place for place in moved if place[0].startswith("BATCH#"))
            with self._moved:
                self._heads |= {head["batch"]: head for head in heads.values()}
                self._moved.notify_all()
