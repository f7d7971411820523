"""The routes: each does something, and the paths of a duty in a project are those and no others."""

import re
from collections.abc import Iterator

import pytest

from gtplus_runtime.forms import FORMS, NAME
from gtplus_runtime.handlers.api import _BEFORE, _READERS, _REPAIRS
from gtplus_runtime.lifecycle import BATCH, PEOPLE, PROJECT, Duty
from gtplus_runtime.routes import BY_KEY, BY_NAME, ROUTES, Route, duty_paths

# Prefixes of each other, and words that stand in paths.
TRICKY = ("a", "a-b", "a-b-c", "b", "A", "projects", "batches", "operate", "request", "review", "report", "status")

each_route = pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)


def matches(pattern: str, value: str) -> bool:
    """As IAM matches a resource: `*` is anything, slashes too, and `?` any one character."""
    parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return re.fullmatch("".join(parts), value, re.DOTALL) is not None


def calls() -> Iterator[tuple[Route, Duty, str, str]]:
    """Every call that can be made with the tricky names: its route, duty, project and `METHOD/path`."""
    for route in ROUTES:
        for duty in route.duties:
            for project in TRICKY if "{project}" in route.path else [""]:
                for batch in TRICKY if "{batch}" in route.path else [""]:
                    path = route.path.replace("{project}", project).replace("{batch}", batch)
                    for event in TRICKY if "{event}" in path else [""]:
                        yield route, duty, project, f"{route.method}/{duty}{path.replace('{event}', event)}"


CALLS = list(calls())


@each_route
def test_a_route_reads_or_has_a_form_and_never_both(route: Route) -> None:
    assert (route.name in _READERS) == (route.method == "GET")
    assert (route.name in FORMS) == (route.method == "POST")


def test_no_reader_form_or_preparation_is_without_a_route() -> None:
    assert {*_READERS, *FORMS} == set(BY_NAME)
    assert set(_BEFORE) | set(_REPAIRS) <= set(FORMS)
    assert not set(_BEFORE) & set(_REPAIRS)


def test_names_and_keys_are_used_once() -> None:
    assert len(BY_NAME) == len(ROUTES)
    assert len(BY_KEY) == sum(len(route.duties) for route in ROUTES)


@each_route
def test_a_path_starts_with_the_duty_it_is_called_for(route: Route) -> None:
    assert route.duties
    assert set(route.duties) <= set(PEOPLE)
    for duty, key in zip(route.duties, route.keys, strict=True):
        method, path = key.split(" ")
        assert (method, path.split("/")[1]) == (route.method, duty)
        assert BY_KEY[key] == (route, duty)


@each_route
def test_a_route_about_one_project_names_it_in_its_path(route: Route) -> None:
    assert ("{project}" in route.path) == (route.name != "project.list" and not route.name.startswith("event."))
    assert ("{batch}" in route.path) == (route.name.startswith("batch.") and route.name != "batch.list")


@each_route
def test_a_command_leads_to_a_status_that_its_duties_may_cause(route: Route) -> None:
    lifecycle = PROJECT if route.name.startswith("project.") else BATCH
    if route.target is None:
        body_says_it = {"project.status", "batch.report", "batch.resume"}
        assert route.method == "GET" or route.name in body_says_it | set(_REPAIRS)
    elif route.target != lifecycle.first.name:
        for duty in route.duties:
            assert any(lifecycle.allowed(status.name, route.target, duty) for status in lifecycle)


def test_a_decision_is_for_reviewers_and_a_report_for_provider_and_operator() -> None:
    for decision in ("batch.review", "batch.accept", "batch.reject"):
        assert BY_NAME[decision].duties == (Duty.REVIEW,)
    assert BY_NAME["batch.report"].duties == (Duty.REPORT, Duty.OPERATE)
    assert BY_NAME["project.approve"].duties == (Duty.OPERATE,)


@pytest.mark.parametrize("project", TRICKY)
@pytest.mark.parametrize("duty", PEOPLE)
def test_a_duty_in_a_project_opens_the_routes_of_that_duty_and_project_and_no_others(duty: Duty, project: str) -> None:
    patterns = duty_paths(duty, project)
    opened = [call for *_, call in CALLS if any(matches(pattern, call) for pattern in patterns)]
    assert opened == [call for _, d, p, call in CALLS if (d, p) == (duty, project)]


@pytest.mark.parametrize("duty", PEOPLE)
def test_a_duty_in_the_whole_workspace_opens_the_routes_of_that_duty_in_all_projects_and_no_others(duty: Duty) -> None:
    """Also where a project or a batch is named as a duty is."""
    patterns = duty_paths(duty, None)
    opened = [call for *_, call in CALLS if any(matches(pattern, call) for pattern in patterns)]
    assert opened == [call for _, d, _, call in CALLS if d == duty]


def test_the_tricky_names_are_names() -> None:
    assert all(NAME.fullmatch(name) for name in TRICKY)
