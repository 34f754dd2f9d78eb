package help

import (
	"strings"
	"unicode/utf8"
)

// Fill breaks the lines of a text so that none is wider than [Width]: of paragraphs, and of items of lists, which are
// indented and have their text behind two spaces or more. Other indented lines, such as commands, stay as they are.
func Fill(text string) string {
	var out []string
	var head string    // of the paragraph or item: what stands before its words
	var lines []string // of it, as they are
	flush := func() {
		if len(lines) > 0 {
			out = append(out, refill(head, lines)...)
		}
		head, lines = "", nil
	}
	for line := range strings.SplitSeq(text, "\n") {
		switch first := itemHead(line); {
		case strings.TrimSpace(line) == "":
			flush()
			out = append(out, "")
		case len(lines) > 0 && indent(line) == utf8.RuneCountInString(head): // it goes on
			lines = append(lines, line)
		case first != "" || line[0] != ' ' && line[0] != '\t':
			flush()
			head, lines = first, []string{line}
		default:
			flush()
			out = append(out, line)
		}
	}
	flush()
	return strings.Join(out, "\n")
}

func indent(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

// itemHead is the beginning of a line that is an item, up to its text, or "".
func itemHead(line string) string {
	from := indent(line)
	if from == 0 {
		return ""
	}
	name := strings.Index(line[from:], "  ")
	if name < 0 {
		return ""
	}
	return line[:from+name+indent(line[from+name:])]
}

// refill breaks the lines of a paragraph, whose head is "", or of an item. An item that is narrow enough stays.
func refill(head string, lines []string) []string {
	wide := head == ""
	for _, line := range lines {
		wide = wide || utf8.RuneCountInString(line) > Width
	}
	if !wide {
		return lines
	}
	left := strings.Repeat(" ", utf8.RuneCountInString(head))
	words := strings.Fields(strings.TrimPrefix(strings.Join(lines, " "), head))
	var out []string
	line := head
	for i, word := range words {
		switch {
		case i == 0:
			line += word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= Width:
			line += " " + word
		default:
			out = append(out, line)
			line = left + word
		}
	}
	return append(out, line)
}
