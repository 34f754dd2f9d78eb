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

	"github.com/sysvipc/sysvipc/internal/output"

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

// counted is the JSON of the contents, which may be nil.
func (c *queueContents) counted() *output.Contents {
	if c == nil {
		return &output.Contents{}
	}
	types := make([]output.MessageType, len(c.byType))
	for i, t := range c.byType {
		types[i] = output.MessageType{Type: t.typ, Messages: t.messages, Bytes: t.bytes, Smallest: t.smallest, Largest: t.largest, First: t.first}
		for _, n := range slices.Sorted(maps.Keys(t.sizes)) {
			types[i].Sizes = append(types[i].Sizes, output.SizeCount{UpTo: upTo(n), Messages: t.sizes[n]})
		}
	}
	return &output.Contents{Counted: &c.all.messages, Types: types}
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
	t := output.NewTable(output.Right("TYPE"), output.Right("MESSAGES"), output.Right("BYTES"), output.Right("SMALLEST"),
		output.Right("LARGEST"), output.Right("FIRST"), output.Left(""))
	for _, n := range c.byType {
		for _, cell := range []int{int(n.typ), n.messages, n.bytes, n.smallest, n.largest, n.first} {
			t.Add(strconv.Itoa(cell))
		}
		t.Add(countBar(n.messages, c.all.messages))
	}
	if err := t.Write(w); err != nil {
		return err
	}
	t = output.NewTable(output.Right("SIZE"), output.Right("MESSAGES"), output.Left(""))
	for _, n := range slices.Sorted(maps.Keys(c.all.sizes)) {
		size := strconv.Itoa(upTo(n))
		if n > 1 {
			size = strconv.Itoa(upTo(n-1)+1) + "-" + size
		}
		t.Add(size)
		t.Add(strconv.Itoa(c.all.sizes[n]))
		t.Add(countBar(c.all.sizes[n], c.all.messages))
	}
	return t.Write(w)
}

// countBar is a part of a whole as a bar. What is not nothing is at least one mark.
func countBar(part, whole int) string {
	return strings.Repeat("#", max(1, part*30/max(whole, 1)))
}
