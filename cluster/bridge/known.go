package bridge

import (
	"encoding/binary"
	"hash/fnv"
	"strconv"
	"strings"
)

// The servers of a queue know no message by its number that was received and acknowledged
// before they died: they know those that they find. A bridge that was not answered sends it
// again then, and they store it again. So a receiver notes the numbers itself, of the last
// messages of those bridges that sent last. In its journal each has its name, when it was
// heard of last (the count of messages), and a mark for each number, modulo so many.
const (
	knownSenders = 16
	knownNumbers = 2 * inFlightMost // more than a bridge may send again

	sizeOfKnown = 2 + knownNumbers
)

// known returns where the journal has the mark of a message that a bridge has sent, and that
// mark. It is there if the message was put onto the kernel's queue. Place 0: others sent it.
func (r *receiver) known(id string, print uint64) (place int, mark uint64) {
	name, digits, _ := strings.Cut(id, ".")
	self, err := strconv.ParseUint(name, 36, 64)
	number, err2 := strconv.ParseUint(digits, 36, 64)
	if err != nil || err2 != nil || self == 0 {
		return 0, 0
	}
	h := fnv.New64a()
	binary.Write(h, binary.LittleEndian, []uint64{self, number, print})
	return r.sender(self) + 2 + int(number%knownNumbers), h.Sum64() | 1
}

// sender returns the place of a bridge in the journal. A new one takes that of the one that
// was not heard of for longest.
func (r *receiver) sender(self uint64) int {
	oldest := wordKnown
	for at := wordKnown; at < sizeOfReceiver; at += sizeOfKnown {
		if r.j.get(at) == self {
			r.j.set(at+1, r.j.get(wordDone))
			return at
		}
		if r.j.get(at+1) < r.j.get(oldest+1) {
			oldest = at
		}
	}
	r.j.set(oldest, 0)
	for i := range knownNumbers {
		r.j.set(oldest+2+i, 0)
	}
	r.j.set(oldest+1, r.j.get(wordDone))
	r.j.set(oldest, self)
	return oldest
}
