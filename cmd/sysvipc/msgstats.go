package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
)

func newMsgStatsCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "stats REF",
		Short: "Count the messages of a queue by type and size",
		Long: `Count the messages on a queue by their types and sizes, and leave them there: no field of
the queue changes. FIRST is the place in the queue of the first message of a type, 0 being
the front: a type that nobody receives stands in front and stays there.

How old a message is nobody can tell: the kernel does not keep it.`,
		Example: `  sysvipc msg stats msg:name=orders
  sysvipc msg stats msg:5 -o json`,
		Args:              withRef(sysvipc.KindQueue, 0, 0, ""),
		ValidArgsFunction: completeRefs(1, sysvipc.KindQueue),
		RunE:              func(cmd *cobra.Command, args []string) error { return runMsgStats(cmd, args[0], output) },
	}
	outputFlag(cmd, &output, "table", "json")
	return cmd
}

// counts are of messages of one type, or of all.
type counts struct {
	typ               int64
	messages, bytes   int
	smallest, largest int
	first             int
	sizes             map[int]int // messages by the number of bits of their size
}

func (c *counts) add(size int) {
	if c.messages == 0 {
		c.smallest, c.sizes = size, map[int]int{}
	}
	c.messages++
	c.bytes += size
	c.smallest, c.largest = min(c.smallest, size), max(c.largest, size)
	c.sizes[bits.Len(uint(size))]++
}

func runMsgStats(cmd *cobra.Command, arg, output string) error {
	id, err := parseOneRef(cmd, arg, sysvipc.KindQueue)
	if err != nil {
		return err
	}
	q := sysvipc.QueueByID(id)
	if _, err := q.Stat(); err != nil {
		return err
	}
	var all counts
	byType := map[int64]*counts{}
	for index := 0; ; index++ {
		m, err := q.Peek(index)
		if errors.Is(err, sysvipc.ErrWouldBlock) {
			break
		}
		if err == nil {
			err = cmd.Context().Err()
		}
		if err != nil {
			return err
		}
		if byType[m.Type] == nil {
			byType[m.Type] = &counts{typ: m.Type, first: index}
		}
		byType[m.Type].add(len(m.Data))
		all.add(len(m.Data))
	}
	types := slices.SortedFunc(maps.Values(byType), func(a, b *counts) int { return cmp.Compare(a.typ, b.typ) })
	if output == "json" {
		d := startDocument(cmd.OutOrStdout(), "types")
		for _, c := range types {
			d.add(c.record())
		}
		return d.end(nil)
	}
	return writeMsgStats(cmd.OutOrStdout(), id, &all, types)
}

func (c *counts) record() record {
	var sizes []record
	for _, n := range slices.Sorted(maps.Keys(c.sizes)) {
		sizes = append(sizes, record{{"up_to", upTo(n)}, {"messages", c.sizes[n]}})
	}
	return record{
		{"type", c.typ},
		{"messages", c.messages},
		{"bytes", c.bytes},
		{"smallest", c.smallest},
		{"largest", c.largest},
		{"first", c.first},
		{"sizes", sizes},
	}
}

// upTo is the largest size with so many bits.
func upTo(n int) int { return 1<<n - 1 }

// writeMsgStats writes two tables: of types, and of sizes.
func writeMsgStats(w io.Writer, id int, all *counts, types []*counts) error {
	if _, err := fmt.Fprintf(w, "msg:%d holds %s of %s\n", id, plural(all.messages, "message"), plural(all.bytes, "byte")); err != nil || all.messages == 0 {
		return err
	}
	fmt.Fprintln(w)
	t := newTable(tableColumn{"TYPE", true}, tableColumn{"MESSAGES", true}, tableColumn{"BYTES", true}, tableColumn{"SMALLEST", true},
		tableColumn{"LARGEST", true}, tableColumn{"FIRST", true}, tableColumn{"", false})
	for _, c := range types {
		for _, n := range []int{int(c.typ), c.messages, c.bytes, c.smallest, c.largest, c.first} {
			t.add(strconv.Itoa(n))
		}
		t.add(countBar(c.messages, all.messages))
	}
	if err := t.write(w); err != nil {
		return err
	}
	fmt.Fprintln(w)
	t = newTable(tableColumn{"SIZE", true}, tableColumn{"MESSAGES", true}, tableColumn{"", false})
	for _, n := range slices.Sorted(maps.Keys(all.sizes)) {
		size := strconv.Itoa(upTo(n))
		if n > 1 {
			size = strconv.Itoa(upTo(n-1)+1) + "-" + size
		}
		t.add(size)
		t.add(strconv.Itoa(all.sizes[n]))
		t.add(countBar(all.sizes[n], all.messages))
	}
	return t.write(w)
}

// countBar is a part of a whole as a bar. What is not nothing is at least one mark.
func countBar(part, whole int) string {
	return strings.Repeat("#", max(1, part*30/max(whole, 1)))
}
