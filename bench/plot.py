"""A grouped bar chart as SVG, by hand: no plotting library is worth its weight here."""

from xml.sax.saxutils import escape

from bench.outcome import Chart

BAR, GAP, LEFT, WIDTH, LINE = 16, 14, 240, 560, 18
COLOURS = ("#1f5fa8", "#4f93d8", "#9cc4ee", "#c2571a", "#e8935e", "#f3c3a3", "#6a7f3f", "#8a4f8f")


def svg(chart: Chart) -> str:
    """Horizontal bars, one block per group, from zero; the figure stands beside each bar."""
    most = max((value for values in chart.series.values() for value in values), default=0) or 1
    parts: list[str] = []
    y = 3 * LINE
    for index, group in enumerate(chart.groups):
        parts.append(_text(12, y, group, weight="bold"))
        y += LINE // 2
        for number, (name, values) in enumerate(chart.series.items()):
            length = max(values[index], 0) / most * WIDTH
            colour = COLOURS[number % len(COLOURS)]
            parts += [
                _text(LEFT - 8, y + 12, name, anchor="end"),
                f'<rect x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR - 2}" '
                f'fill="{colour}"/>',
                _text(LEFT + length + 6, y + 12, f"{values[index]:.4g} {chart.unit}"),
            ]
            y += BAR
        y += GAP + LINE // 2
    width = LEFT + WIDTH + 110
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y}" '
            f'width="{width}" height="{y}" font-family="sans-serif" font-size="12">',
            f'<rect width="{width}" height="{y}" fill="white"/>',
            _text(12, LINE + 4, chart.title, weight="bold", size=15),
            *parts,
            "</svg>",
            "",
        ]
    )


def _text(
    x: float, y: float, words: str, *, anchor: str = "start", weight: str = "normal", size: int = 12
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y}" text-anchor="{anchor}" font-weight="{weight}" '
        f'font-size="{size}">{escape(words)}</text>'
    )
