"""What operators measure of webhooks."""

from prometheus_client import Counter, Histogram

attempts = Counter(
    "cg_webhook_attempts_total", "Attempts to push a message: delivered, retry, failed, withheld", ["outcome"]
)
attempt_seconds = Histogram(
    "cg_webhook_attempt_seconds", "How long endpoints take", buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15)
)
disabled = Counter("cg_webhooks_disabled_total", "Webhooks that were disabled, by reason", ["reason"])
