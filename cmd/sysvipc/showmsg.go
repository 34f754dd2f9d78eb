package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"github.com/sysvipc/sysvipc"
)

// mostCounted is how many messages of a queue are counted: the kernel walks to each one from the front.
const mostCounted = 1 << 14

// messageCounts count the messages of one type, or of all.
type messageCounts struct {
	typ               int64
	messages, bytes   int
	smallest, largest int
	first             int         // index of the first one
	sizes             map[int]int // messages by the number of bits of their size
}

func (c *messageCounts) add(size int) {
	if c.messages == 0 {
		c.smallest, c.sizes = size, map[int]int{}
	}
	c.messages++
	c.bytes += size
	c.smallest, c.largest = min(c.smallest, size), max(c.largest, size)
	c.sizes[bits.Len(uint(size))]++
}

// queueContents are the first messages of a queue, counted.
type queueContents struct {
	all    messageCounts
	byType []*messageCounts // by ascending type
}

// countMessages counts at most so many messages of a queue and leaves them there.
func countMessages(ctx context.Context, q *sysvipc.Queue, most int) (*queueContents, error) {
	var c queueContents
	byType := map[int64]*messageCounts{}
	for index := range most {
		m, err := q.Peek(index)
		if errors.Is(err, sysvipc.ErrWouldBlock) {
			break
		}
		if err := cmp.Or(err, ctx.Err()); err != nil {
			return nil, err
		}
		if byType[m.Type] == nil {
			byType[m.Type] = &messageCounts{typ: m.Type, first: index}
		}
		byType[m.Type].add(len(m.Data))
		c.all.add(len(m.Data))
	}
	c.byType = slices.SortedFunc(maps.Values(byType), func(a, b *messageCounts) int { return cmp.Compare(a.typ, b.typ) })
	return &c, nil
}

// fields are the JSON of the contents; without contents they are null.
func (c *queueContents) fields() record {
	if c == nil {
		return record{{"counted", nil}, {"types", nil}}
	}
	types := make([]record, len(c.byType))
	for i, t := range c.byType {
		var sizes []record
		for _, n := range slices.Sorted(maps.Keys(t.sizes)) {
			sizes = append(sizes, record{{"up_to", upTo(n)}, {"messages", t.sizes[n]}})
		}
		types[i] = record{
			{"type", t.typ},
			{"messages", t.messages},
			{"bytes", t.bytes},
			{"smallest", t.smallest},
			{"largest", t.largest},
			{"first", t.first},
			{"sizes", sizes},
		}
	}
	return record{{"counted", c.all.messages}, {"types", types}}
}

// upTo is the largest size with so many bits.
func upTo(n int) int { return 1<<n - 1 }

// write writes two tables: of types, and of sizes. The queue has so many messages.
func (c *queueContents) write(w io.Writer, messages int) error {
	if c == nil {
		_, err := fmt.Fprintln(w, "types      ?")
		return err
	}
	if c.all.messages == 0 {
		return nil
	}
	if c.all.messages < messages {
		fmt.Fprintf(w, "of the first %d messages:\n", c.all.messages)
	}
	t := newTable(tableColumn{"TYPE", true}, tableColumn{"MESSAGES", true}, tableColumn{"BYTES", true}, tableColumn{"SMALLEST", true},
		tableColumn{"LARGEST", true}, tableColumn{"FIRST", true}, tableColumn{"", false})
	for _, n := range c.byType {
		for _, cell := range []int{int(n.typ), n.messages, n.bytes, n.smallest, n.largest, n.first} {
			t.add(strconv.Itoa(cell))
		}
		t.add(countBar(n.messages, c.all.messages))
	}
	if err := t.write(w); err != nil {
		return err
	}
	t = newTable(tableColumn{"SIZE", true}, tableColumn{"MESSAGES", true}, tableColumn{"", false})
	for _, n := range slices.Sorted(maps.Keys(c.all.sizes)) {
		size := strconv.Itoa(upTo(n))
		if n > 1 {
			size = strconv.Itoa(upTo(n-1)+1) + "-" + size
		}
		t.add(size)
		t.add(strconv.Itoa(c.all.sizes[n]))
		t.add(countBar(c.all.sizes[n], c.all.messages))
	}
	return t.write(w)
}

// countBar is a part of a whole as a bar. What is not nothing is at least one mark.
func countBar(part, whole int) string {
	return strings.Repeat("#", max(1, part*30/max(whole, 1)))
}
