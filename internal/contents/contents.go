// Package contents counts the messages of a queue by type and by size, and leaves them there.
package contents

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"math/bits"
	"slices"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/output"
)

// Counts count the messages of one type, or of all.
type Counts struct {
	Type              int64 // 0 for all
	Messages, Bytes   int
	Smallest, Largest int         // bytes
	First             int         // index of the first one
	Sizes             map[int]int // messages by the number of bits of their size
}

func (c *Counts) add(size int) {
	if c.Messages == 0 {
		c.Smallest, c.Sizes = size, map[int]int{}
	}
	c.Messages++
	c.Bytes += size
	c.Smallest, c.Largest = min(c.Smallest, size), max(c.Largest, size)
	c.Sizes[bits.Len(uint(size))]++
}

// Contents are the first messages of a queue, counted.
type Contents struct {
	All    Counts
	ByType []*Counts // by ascending type
}

// Count counts at most so many messages of a queue, from the front, and leaves them there. The kernel walks to each one from
// the front, so that n of them take as many steps as n squared.
func Count(ctx context.Context, q *sysvipc.Queue, most int) (*Contents, error) {
	var c Contents
	byType := map[int64]*Counts{}
	for index := range most {
		m, err := q.Peek(index)
		if errors.Is(err, sysvipc.ErrWouldBlock) {
			break
		}
		if err := cmp.Or(err, ctx.Err()); err != nil {
			return nil, err
		}
		if byType[m.Type] == nil {
			byType[m.Type] = &Counts{Type: m.Type, First: index}
		}
		byType[m.Type].add(len(m.Data))
		c.All.add(len(m.Data))
	}
	c.ByType = slices.SortedFunc(maps.Values(byType), func(a, b *Counts) int { return cmp.Compare(a.Type, b.Type) })
	return &c, nil
}

// Published is the JSON of the contents, which may be nil.
func (c *Contents) Published() *output.Contents {
	if c == nil {
		return &output.Contents{}
	}
	types := make([]output.MessageType, len(c.ByType))
	for i, t := range c.ByType {
		types[i] = output.MessageType{Type: t.Type, Messages: t.Messages, Bytes: t.Bytes, Smallest: t.Smallest, Largest: t.Largest, First: t.First}
		for _, n := range slices.Sorted(maps.Keys(t.Sizes)) {
			types[i].Sizes = append(types[i].Sizes, output.SizeCount{UpTo: UpTo(n), Messages: t.Sizes[n]})
		}
	}
	return &output.Contents{Counted: &c.All.Messages, Types: types}
}

// UpTo is the largest size with so many bits.
func UpTo(n int) int { return 1<<n - 1 }
