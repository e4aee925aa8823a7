"""Whatever is sent to the running gateway, in order or not, is answered as the OpenAPI document says (schemathesis)."""

import os
import time

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.config import GenerationConfig, ProjectConfig, ProjectsConfig, SchemathesisConfig
from schemathesis.core.control import SkipTest
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from people import done

REQUESTS = int(os.environ.get("CG_REQUESTS", "300"))
"""How many requests of each kind all operations get together, though each a few; set it higher to look harder."""
LEAST = 3

pytestmark = pytest.mark.timeout(300)  # hundreds of requests, also on a machine that is busy

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    negative_data_rejection,
]


# What ends something comes last, so that all else meets what is there.
ENDING = {"archive_group", "remove_member", "cancel_event"}
# Who erases themselves, signs out or changes the password cannot go on at all, and a stream has no end; other tests do that.
LEFT_OUT = ["erase_me", "sign_out", "change_password", "open_stream"]


@pytest.fixture
def somebody(session_platform):
    """Whoever sends the requests, and what the paths name: a group and an event of theirs, and somebody in both."""
    ana, ben = session_platform.person("ana"), session_platform.person("ben")
    group = ana.founds()
    ben.joins(group)
    event = ana.schedules(group, max_guests=10)
    ben.answers(event)
    return ana, {"group": group["slug"], "event": event["id"], "handle": ben.handle}


def search(platform, mode, many, headers, names):
    """Send so many requests to all operations; those that fit name in their paths what there is (`names`).

    Raises AssertionError with all answers that are not as the document says.
    """
    document = done(platform.door.get("/openapi.json"), 200)
    generation = GenerationConfig(modes=[mode])
    config = SchemathesisConfig(projects=ProjectsConfig(default=ProjectConfig(generation=generation)))
    schema = schemathesis.openapi.from_dict(document, config=config)
    schema.config.update(base_url=platform.door.address)
    operations = [found.ok() for found in schema.exclude(operation_id=LEFT_OUT).get_all_operations()]
    operations.sort(key=lambda one: one.definition.raw["operationId"] in ENDING)
    faults, sent, began = [], 0, time.monotonic()
    with requests.Session() as session:
        session.headers.update(headers)
        for operation in operations:

            @settings(
                max_examples=max(LEAST, many // len(operations)),
                deadline=None,
                derandomize=True,
                database=None,
                phases=[Phase.explicit, Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(operation.as_strategy(generation_mode=mode))
            def send(case):
                nonlocal sent
                sent += 1
                if mode is GenerationMode.POSITIVE:
                    case.path_parameters = {
                        name: names.get(name, value) for name, value in case.path_parameters.items()
                    }
                case.call_and_validate(session=session, checks=CHECKS)

            try:
                send()
            except (Unsatisfiable, SkipTest):
                continue  # nothing can be wrong with what takes nothing
            except Exception as fault:  # noqa: BLE001 - all of them are told together
                faults.append(f"{operation.method.upper()} {operation.path}: {_all_of(fault)}")
    print(f"{sent} requests in {time.monotonic() - began:.1f} s")
    assert not faults, "\n\n".join(faults)
    assert sent > 100


def _all_of(fault):
    if isinstance(fault, BaseExceptionGroup):
        return "\n".join(_all_of(one) for one in fault.exceptions)
    return str(fault) or repr(fault)


def test_what_fits_the_document_is_answered_as_it_says(session_platform, somebody):
    ana, names = somebody
    search(session_platform, GenerationMode.POSITIVE, REQUESTS, ana.headers, names)


def test_what_does_not_fit_is_refused_as_it_says(session_platform, somebody):
    ana, names = somebody
    search(session_platform, GenerationMode.NEGATIVE, REQUESTS, ana.headers, names)


def test_what_somebody_sends_who_is_not_signed_in_is_answered_as_it_says(session_platform, somebody):
    search(session_platform, GenerationMode.POSITIVE, 0, {}, somebody[1])
