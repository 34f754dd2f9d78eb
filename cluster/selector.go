package cluster

import (
	"cmp"
	"strconv"
	"strings"
	"sync"

	"github.com/sysvipc/sysvipc"
)

// selection is what a [sysvipc.Selector] says, which shows it by its text only.
type selection struct {
	from, to, but int64 // types from..to, but not but
	exact         bool  // of one type
	lowest        bool  // of the lowest type, not the first of all
}

// selections are those that were read before: programs have few.
var selections sync.Map

// selectionOf reads a selector. It fails for types that no message has.
func (q *Queue) selectionOf(sel sysvipc.Selector) (selection, error) {
	if s, ok := selections.Load(sel); ok {
		return s.(selection), nil
	}
	s := selection{from: 1, to: maxType}
	text := sel.String()
	last := text[strings.LastIndexByte(text, ' ')+1:]
	if typ, err := strconv.ParseInt(last, 10, 64); err == nil {
		if typ < 1 {
			return s, q.refuse("receive from", nil, "type %d: a message has a type from 1 to %d", typ, int64(maxType))
		}
		switch {
		case strings.HasPrefix(text, "lowest"):
			s.to, s.lowest = typ, true
		case strings.HasPrefix(text, "any"):
			s.but = typ
		default:
			s.from, s.to, s.exact = typ, typ, true
		}
	}
	selections.Store(sel, s)
	return s, nil
}

// maxType is the largest type of a message: a C long of 64 bits.
const maxType = 1<<63 - 1

func (s selection) has(typ int64) bool { return typ >= s.from && typ <= s.to && typ != s.but }

// before reports whether a is to be taken before b.
func (s selection) before(a, b *item) bool {
	if s.lowest {
		return cmp.Or(cmp.Compare(a.typ, b.typ), cmp.Compare(a.seq, b.seq)) < 0
	}
	return a.seq < b.seq
}
