"""The page about a sweep: one HTML file that asks no network for anything."""

from jaxcnn.comparing.columns import mean_and_deviation
from jaxcnn.reporting.page import render
from jaxcnn.sweeping.charts import charts_of
from jaxcnn.sweeping.results import Found, said, tested


def page(found: Found) -> str:
    """Returns the page; it needs Bokeh and Jinja."""
    best, again = found.winner, found.again
    return render(
        {
            "title": found.name,
            "plan": found.plan,
            "names": list(found.plan.names.values()),
            "rows": [(each.name, list(each.job.cell.values.values()), said(each)) for each in found.ranked],
            "again": [(row.cell, row.n, mean_and_deviation(row)) for row in again.rows] if again else [],
            "best": best,
            "tested": tested(again, best) if again and best else "",
            "config": found.config.read_text(encoding="utf-8") if found.config else "",
            "place": found.named,
            "charts": charts_of(found),
        },
        "sweep.html",
        package="jaxcnn.sweeping",
    )
