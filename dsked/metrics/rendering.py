"""A scrape as the text that Prometheus reads, made by prometheus_client (150 ms to import)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from dsked.metrics.families import ALL, OF_PROCESS, Family, Kind, Scrape

#: Prometheus's text format; every version of it reads this one.
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def render(scrape: Scrape) -> Iterator[bytes]:
    """The text in parts, a metric each, so that other work goes on in between."""
    for family in (*ALL, *OF_PROCESS):
        metric = _metric(family, scrape)
        if metric.samples:
            yield generate_latest(cast(CollectorRegistry, _Metrics(metric)))


def _metric(family: Family, scrape: Scrape) -> Metric:
    if family.kind is Kind.HISTOGRAM:
        return _histogram(family, scrape)
    kind = CounterMetricFamily if family.kind is Kind.COUNTER else GaugeMetricFamily
    metric = kind(family.name, family.text, labels=family.labels)
    for labels, value in scrape.values.get(family.name, ()):
        metric.add_metric(labels, value)
    return metric


def _histogram(family: Family, scrape: Scrape) -> Metric:
    metric = HistogramMetricFamily(family.name, family.text, labels=family.labels)
    for labels, histogram in scrape.histograms.get(family.name, ()):
        names = [*map(str, histogram.bounds), "+Inf"]
        buckets = list(zip(names, histogram.cumulated(), strict=True))
        metric.add_metric(labels, buckets, histogram.total)
    return metric


class _Metrics:
    """What prometheus_client wants of a registry to write it down."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> list[Metric]:
        return [self._metric]
