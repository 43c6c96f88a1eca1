package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/roombus/roombus/cmd/roombus/internal/logview"
	"github.com/roombus/roombus/cmd/roombus/internal/text"
	"github.com/roombus/roombus/cmd/roombus/internal/way"
	"github.com/roombus/roombus/domain"
)

// wayView shows a message's way on a terminal.
type wayView struct {
	palette text.Palette
	width   int
	payload logview.Payload
	names   map[domain.NodeID]string
}

func (v *wayView) text(f *found) string {
	var out strings.Builder
	for _, m := range f.Messages {
		out.WriteString(v.message(m))
		out.WriteString(v.stops(m))
		out.WriteString("\n")
	}
	out.WriteString(v.waterfall(f))
	for _, note := range f.Notes {
		out.WriteString(v.palette.Paint(text.Careful, text.Visible("note: "+note)) + "\n")
	}
	return out.String()
}

// message says what the log holds.
func (v *wayView) message(m *messageWay) string {
	if m.item == nil {
		return v.palette.Paint(text.Strong, text.Visible(string(m.Offset))) + "  not in the log any more\n"
	}
	lines := logview.Lines{Palette: v.palette, Payload: v.payload}
	name := ""
	if m.item.Entry != nil {
		name = v.names[m.item.Entry.Message.Node]
	}
	return lines.Line(m.item, name) + "\n"
}

// stops says what became of it on each node.
func (v *wayView) stops(m *messageWay) string {
	if len(m.Stops) == 0 {
		return ""
	}
	rows := [][]text.Cell{text.Head("", "NODE", "WHAT BECAME OF IT", ">AFTER", "AT")}
	for _, stop := range m.Stops {
		row := []text.Cell{
			{Text: mark(stop.Verdict), Color: verdictColor(stop.Verdict)},
			{Text: logview.Node(stop.Node, stop.Name), Color: text.Strong},
			{Text: text.Visible(stop.Text), Color: verdictColor(stop.Verdict)}, {}, {},
		}
		if stop.After != nil {
			row[3] = text.Cell{Text: signed(*stop.After), Right: true}
		}
		if stop.At != nil {
			row[4] = text.Cell{Text: stop.At.Local().Format("15:04:05.000"), Color: text.Dim}
		}
		rows = append(rows, row)
	}
	return v.palette.Table(rows)
}

func mark(v way.Verdict) string {
	switch v {
	case way.Delivered:
		return "✓"
	case way.Nobody, way.Elsewhere, way.Sender:
		return "·"
	case way.Behind, way.Lost, way.Missing:
		return "✗"
	default:
		return "?"
	}
}

func verdictColor(v way.Verdict) text.Color {
	switch v {
	case way.Delivered:
		return text.Good
	case way.Behind, way.Lost, way.Missing:
		return text.Bad
	case way.Nobody:
		return text.Careful
	default:
		return text.Dim
	}
}

// The waterfall's columns.
const (
	minBar, maxBar = 10, 50
	maxSpanName    = 40
	maxNodeName    = 16
)

// waterfall draws the spans of all nodes: a tree at the left, and at the right when each was.
func (v *wayView) waterfall(f *found) string {
	if len(f.Spans) == 0 {
		return ""
	}
	begin, end := spanTimes(f)
	names, nodes, wide, node := make([]string, len(f.Spans)), make([]string, len(f.Spans)), 0, 0
	for i, s := range f.Spans {
		names[i] = text.Short(strings.Repeat("  ", min(s.Depth, 10))+text.Visible(s.Name), maxSpanName)
		nodes[i] = text.Short(text.Name(cmp.Or(s.NodeName, string(s.Node))), maxNodeName)
		wide, node = max(wide, characters(names[i])), max(node, characters(nodes[i]))
	}
	const figures = 24 // what the columns of times and their blanks take
	bar := min(max(v.width-wide-node-figures, minBar), maxBar)
	var out strings.Builder
	out.WriteString(v.palette.Paint(text.Dim, fmt.Sprintf("%s, %s from the first to the last, by the log's clock; | is when the log stored the message",
		text.Count(len(f.Spans), "span", "spans"), milliseconds(end.Sub(begin)))) + "\n")
	for i, s := range f.Spans {
		color := text.First
		if s.Failed {
			color = text.Bad
		}
		out.WriteString(pad(names[i], wide) + "  " + v.palette.Paint(text.Strong, pad(nodes[i], node)) + "  " +
			v.bar(f, s, begin, end, bar, color) + fmt.Sprintf("%9s %9s", "+"+milliseconds(s.Began.Sub(begin)), milliseconds(s.Ended.Sub(s.Began))))
		if s.Failed {
			out.WriteString("  " + v.palette.Paint(text.Bad, text.Visible(cmp.Or(s.Error, "failed"))))
		}
		out.WriteString("\n")
	}
	return out.String()
}

// bar is a span's bar, with a mark where the log stored a message.
func (v *wayView) bar(f *found, s *way.Span, begin, end time.Time, wide int, color text.Color) string {
	indent, length := way.Bar(s, begin, end, wide)
	cells := make([]rune, wide)
	for i := range cells {
		cells[i] = ' '
	}
	for _, m := range f.Messages {
		if !m.message.Time.IsZero() {
			at, _ := way.Bar(&way.Span{Began: m.message.Time, Ended: m.message.Time}, begin, end, wide)
			cells[at] = '|'
		}
	}
	before, after := string(cells[:indent]), string(cells[indent+length:])
	return before + v.palette.Paint(color, strings.Repeat("█", length)) + after
}

func milliseconds(d time.Duration) string {
	ms := float64(d.Microseconds()) / 1000
	if ms >= 1000 {
		return fmt.Sprintf("%.2fs", ms/1000)
	}
	return fmt.Sprintf("%.2fms", ms)
}

// signed is a number of milliseconds with its sign: clocks are not that exact.
func signed(ms float64) string {
	if ms >= 1000 {
		return fmt.Sprintf("%+.2fs", ms/1000)
	}
	return fmt.Sprintf("%+.1fms", ms)
}

func characters(s string) int { return len([]rune(s)) }

func pad(s string, wide int) string { return s + strings.Repeat(" ", max(0, wide-characters(s))) }

// writeJSONLine writes a JSON text in visible characters, and ends the line.
func writeJSONLine(w io.Writer, line []byte) error {
	_, err := w.Write(append(slices.Clip(text.JSON(line)), '\n'))
	return err
}
