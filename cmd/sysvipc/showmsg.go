package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/sysvipc/sysvipc/internal/contents"
	"github.com/sysvipc/sysvipc/internal/output"
)

// mostCounted is how many messages of a queue are counted.
const mostCounted = 1 << 14

// writeContents writes two tables: of types, and of sizes. The queue has so many messages.
func writeContents(w io.Writer, c *contents.Contents, messages int) error {
	if c == nil {
		_, err := fmt.Fprintln(w, "types      ?")
		return err
	}
	if c.All.Messages == 0 {
		return nil
	}
	if c.All.Messages < messages {
		fmt.Fprintf(w, "of the first %d messages:\n", c.All.Messages)
	}
	t := output.NewTable(output.Right("TYPE"), output.Right("MESSAGES"), output.Right("BYTES"), output.Right("SMALLEST"),
		output.Right("LARGEST"), output.Right("FIRST"), output.Left(""))
	for _, n := range c.ByType {
		for _, cell := range []int{int(n.Type), n.Messages, n.Bytes, n.Smallest, n.Largest, n.First} {
			t.Add(strconv.Itoa(cell))
		}
		t.Add(countBar(n.Messages, c.All.Messages))
	}
	if err := t.Write(w); err != nil {
		return err
	}
	t = output.NewTable(output.Right("SIZE"), output.Right("MESSAGES"), output.Left(""))
	for _, n := range slices.Sorted(maps.Keys(c.All.Sizes)) {
		size := strconv.Itoa(contents.UpTo(n))
		if n > 1 {
			size = strconv.Itoa(contents.UpTo(n-1)+1) + "-" + size
		}
		t.Add(size)
		t.Add(strconv.Itoa(c.All.Sizes[n]))
		t.Add(countBar(c.All.Sizes[n], c.All.Messages))
	}
	return t.Write(w)
}

// countBar is a part of a whole as a bar. What is not nothing is at least one mark.
func countBar(part, whole int) string {
	return strings.Repeat("#", max(1, part*30/max(whole, 1)))
}
