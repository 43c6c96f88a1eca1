package text

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Color is one of the terminal's own colours, so that it fits whatever background people have.
type Color string

// The colours, by what they are for.
const (
	Plain   Color = ""
	Dim     Color = "2"
	Strong  Color = "1"
	Good    Color = "32"
	Careful Color = "33"
	Bad     Color = "31"
	First   Color = "36"
	Second  Color = "35"
)

// Palette paints, or leaves everything as it is. The zero Palette does the latter.
type Palette struct{ On bool }

// Paint is s in a colour. s must be visible text.
func (p Palette) Paint(c Color, s string) string {
	if !p.On || c == Plain || s == "" {
		return s
	}
	return "\x1b[" + string(c) + "m" + s + "\x1b[0m"
}

// Cell is a piece of a table.
type Cell struct {
	Text  string
	Color Color
	// Right moves it to the right side of its column.
	Right bool
}

// Table writes rows in columns, two blanks between them. The first row is the head. A column in which no row but the
// head says anything is left out.
func (p Palette) Table(rows [][]Cell) string {
	columns := 0
	for _, row := range rows {
		columns = max(columns, len(row))
	}
	widths := make([]int, columns)
	for i, row := range rows {
		for c, cell := range row {
			if i > 0 && cell.Text != "" {
				widths[c] = max(widths[c], utf8.RuneCountInString(cell.Text), utf8.RuneCountInString(rows[0][c].Text))
			}
		}
	}
	var out strings.Builder
	for _, row := range rows {
		var line strings.Builder
		blanks := 0
		for c, cell := range row {
			if widths[c] == 0 {
				continue
			}
			fill := widths[c] - utf8.RuneCountInString(cell.Text)
			if cell.Right {
				blanks += fill
				fill = 0
			}
			if cell.Text != "" {
				line.WriteString(strings.Repeat(" ", blanks))
				line.WriteString(p.Paint(cell.Color, cell.Text))
				blanks = 0
			} else {
				fill = widths[c]
			}
			blanks += fill + 2
		}
		out.WriteString(line.String() + "\n")
	}
	return out.String()
}

// Head is the first row of a table.
func Head(titles ...string) []Cell {
	cells := make([]Cell, len(titles))
	for i, title := range titles {
		title, right := strings.CutPrefix(title, ">")
		cells[i] = Cell{Text: title, Color: Dim, Right: right}
	}
	return slices.Clip(cells)
}
