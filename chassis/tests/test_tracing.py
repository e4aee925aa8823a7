"""One trace goes from the call through the endpoint, the outbox and the message; spans are exported where that is configured."""

import gzip
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from chassis import tracing
from chassis.testing import wait_until

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def collector():
    """An OTLP collector that keeps the spans it gets, by name."""
    spans = {}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    spans.update({span.name: span for span in scope.spans})
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", spans
    server.shutdown()
    server.server_close()


def test_spans_of_call_and_message_belong_to_the_trace_of_the_caller(run_notebook, collector):
    endpoint, spans = collector
    notebook = run_notebook(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, OTEL_BSP_SCHEDULE_DELAY="100")
    notebook.api.post("/v1/notes", {"text": "x"})
    call, message = "POST /v1/notes", "receive notebook.note.written.v1"
    wait_until(lambda: {call, message} <= spans.keys(), 15, "the export of both spans")
    assert spans[call].trace_id.hex() == spans[message].trace_id.hex() == TRACE
    assert spans[call].parent_span_id.hex() == "00f067aa0ba902b7"
    assert spans[message].parent_span_id == spans[call].span_id


def test_a_collector_that_is_away_holds_nobody_up(run_notebook):
    notebook = run_notebook(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    assert notebook.api.post("/v1/notes", {"text": "x"}).status == 201


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        (f"00-{TRACE}-00f067aa0ba902b7-01", True),
        pytest.param(tracing.begin(), True, id="a new one"),
        (f"ff-{TRACE}-00f067aa0ba902b7-01", False),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", False),
        (f"00-{TRACE}-{'0' * 16}-01", False),
        (f"00-{TRACE.upper()}-00f067aa0ba902b7-01", False),
        ("nonsense", False),
        (None, False),
    ],
)
def test_only_what_the_standard_allows_is_a_traceparent(text, valid):
    assert tracing.valid(text) is valid
