"""Figures for operators (Prometheus). Labels are methods and statuses only: a path, a person or a bid in
a label would tell before its hour what must not be told."""

import time

from flask import Response, g, request
from prometheus_client import CollectorRegistry, Counter, Histogram

from app.requests import House
from bidding.supermarket.views import UNSEEN

REGISTRY = CollectorRegistry()
ANSWERS = Counter("gongheng_answers", "Answers given", ["method", "status"], registry=REGISTRY)
SECONDS = Histogram("gongheng_answer_seconds", "Time to answer", registry=REGISTRY)


def install(app: House) -> None:
    """Count answers and their time."""

    @app.before_request
    def begin() -> None:
        g.began = time.perf_counter()

    @app.after_request
    def count(response: Response) -> Response:
        if request.endpoint in UNSEEN:
            return response
        ANSWERS.labels(request.method, f"{response.status_code // 100}xx").inc()
        if "began" in g:
            SECONDS.observe(time.perf_counter() - g.began)
        return response
