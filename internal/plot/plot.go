// Package plot draws bars and lines as SVG, with values written beside them, so that they can be read without colour.
package plot

import (
	"fmt"
	"math"

	"github.com/go-analyze/charts"
)

// Bar is a bar with its name and value.
type Bar struct {
	Name  string
	Value float64
}

// Bars draws horizontal bars, the first on top, on an axis of powers of ten from the one below the smallest value. format
// writes a value.
func Bars(title string, bars []Bar, format func(float64) string) ([]byte, error) {
	low, high := math.Inf(1), math.Inf(-1)
	for _, b := range bars {
		low, high = min(low, math.Floor(math.Log10(b.Value))), max(high, math.Log10(b.Value))
	}
	high = math.Ceil(high + roomForValue*(high-low)) // the value stands behind the bar
	values, names := make([]float64, len(bars)), make([]string, len(bars))
	for i, b := range bars {
		at := len(bars) - 1 - i // the first category is at the bottom
		values[at], names[at] = math.Log10(b.Value), b.Name
	}
	opt := charts.NewBarChartOptionWithData([][]float64{values})
	opt.Horizontal = true
	opt.Title = charts.TitleOption{Text: title, FontStyle: charts.FontStyle{FontSize: 13}}
	opt.Legend.Show = charts.Ptr(false)
	opt.CategoryAxis.Labels = names
	opt.CategoryAxis.LabelCount = len(names)
	opt.CategoryAxis.LabelFontStyle.FontSize = 10
	opt.ValueAxis = []charts.ValueAxisOption{powers(low, high, format)}
	opt.SeriesList[0].Label = charts.SeriesLabel{
		Show:           charts.Ptr(true),
		ValueFormatter: func(log float64) string { return format(math.Pow(10, log)) },
		FontStyle:      charts.FontStyle{FontSize: 10},
	}
	return draw(110+24*len(bars), func(p *charts.Painter) error { return p.BarChart(opt) })
}

// roomForValue is the part of the longest bar that its value needs.
const roomForValue = 0.15

// powers is an axis of powers of ten.
func powers(low, high float64, format func(float64) string) charts.ValueAxisOption {
	if high <= low {
		high = low + 1
	}
	return charts.ValueAxisOption{
		Min: charts.Ptr(low), Max: charts.Ptr(high), LabelCount: int(high-low) + 1, PreferNiceIntervals: charts.Ptr(false),
		RangeValuePaddingScale: charts.Ptr(0.0), SplitLineShow: charts.Ptr(true),
		LabelFontStyle: charts.FontStyle{FontSize: 10},
		ValueFormatter: func(log float64) string { return format(math.Pow(10, log)) },
	}
}

// Line is a line with its name: a value for each x.
type Line struct {
	Name   string
	x      []int
	values []float64
}

// Set sets the value at x. Each x is beyond those before, or the last again, as when a benchmark runs for longer.
func (l *Line) Set(x int, value float64) {
	if n := len(l.x); n > 0 && l.x[n-1] == x {
		l.values[n-1] = value
		return
	}
	l.x, l.values = append(l.x, x), append(l.values, value)
}

// Lines draws lines over the x of the first, one as far from the next as any other, on an axis of powers of ten.
func Lines(title string, lines ...*Line) ([]byte, error) {
	low, high := math.Inf(1), math.Inf(-1)
	var values [][]float64
	var names, labels []string
	for _, l := range lines {
		logs := make([]float64, len(l.values))
		for i, v := range l.values {
			logs[i] = math.Log10(v)
			low, high = min(low, math.Floor(logs[i])), max(high, math.Ceil(logs[i]))
		}
		values, names = append(values, logs), append(names, l.Name)
	}
	for _, n := range lines[0].x {
		labels = append(labels, fmt.Sprint(n))
	}
	opt := charts.NewLineChartOptionWithData(values)
	opt.Title = charts.TitleOption{Text: title, FontStyle: charts.FontStyle{FontSize: 13}}
	opt.Legend = charts.LegendOption{SeriesNames: names, Vertical: charts.Ptr(true), FontStyle: charts.FontStyle{FontSize: 10}, Offset: charts.OffsetStr{Left: "60", Top: "28"}}
	opt.XAxis.Labels = labels
	opt.YAxis = []charts.YAxisOption{powers(low, high, func(v float64) string { return fmt.Sprintf("%g", v) })}
	shapes := []charts.SymbolShape{charts.SymbolCircle, charts.SymbolSquare, charts.SymbolDiamond, charts.SymbolDot}
	for i := range opt.SeriesList {
		opt.SeriesList[i].Symbol = charts.Symbol{Shape: shapes[i%len(shapes)], Size: 4}
	}
	return draw(400, func(p *charts.Painter) error { return p.LineChart(opt) })
}

func draw(height int, chart func(*charts.Painter) error) ([]byte, error) {
	p := charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputSVG, Width: 720, Height: height, Theme: charts.GetTheme(charts.ThemeLight)})
	if err := chart(p); err != nil {
		return nil, err
	}
	return p.Bytes()
}
