package top

import (
	"fmt"
	"strings"
)

// SVG turns a frame with its colours into a picture: what the README shows is what the program draws. It knows the
// attributes that [Paint] uses.
func SVG(frame string, columns, lines int) string {
	const cellWidth, cellHeight, fontSize, margin = 8.4, 18.0, 14, 12.0
	var b strings.Builder
	w, h := float64(columns)*cellWidth+2*margin, float64(lines)*cellHeight+2*margin
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" width="%.0f" height="%.0f" font-family="'DejaVu Sans Mono','Menlo','Consolas',monospace" font-size="%d">`+"\n", w, h, w, h, fontSize)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" rx="8" fill="%s"/>`+"\n", svgBackground)
	for y, text := range strings.Split(frame, "\n") {
		x := 0
		for _, run := range runs(text) {
			n := width(run.text)
			left, top := margin+float64(x)*cellWidth, margin+float64(y)*cellHeight
			x += n
			fill, extra := svgColours[""], ""
			back := ""
			for _, code := range strings.Split(string(run.style), ";") {
				switch code {
				case "1":
					extra += ` font-weight="bold"`
				case "2":
					fill = svgDim
				case "7":
					fill, back = svgBackground, svgColours[""]
				default:
					if c, ok := svgColours[code]; ok && code != "" {
						fill = c
					}
				}
			}
			if back != "" {
				fmt.Fprintf(&b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>`+"\n", left, top, float64(n)*cellWidth, cellHeight, back)
			}
			if strings.TrimSpace(run.text) == "" {
				continue
			}
			fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" textLength="%.1f" lengthAdjust="spacingAndGlyphs" xml:space="preserve" fill="%s"%s>%s</text>`+"\n",
				left, top+cellHeight-5, float64(n)*cellWidth, fill, extra, svgEscapes.Replace(run.text))
		}
	}
	b.WriteString("</svg>\n")
	return b.String()
}

const (
	svgBackground = "#1b1f27"
	svgDim        = "#7b8594"
)

// svgColours are those of the sixteen that are used, by their code; "" is the usual one.
var svgColours = map[string]string{
	"": "#d8dee9", "31": "#f07178", "32": "#a5d66f", "33": "#ffcb6b", "34": "#82aaff", "35": "#d59bf6", "36": "#78dce8",
}

var svgEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// runs are the pieces of a painted line.
func runs(text string) (pieces line) {
	now := plain
	for text != "" {
		before, after, found := strings.Cut(text, "\x1b[")
		if before != "" {
			pieces.add(now, before)
		}
		if !found {
			break
		}
		code, rest, _ := strings.Cut(after, "m")
		now, text = style(code), rest
	}
	return pieces
}
