package archive

import (
	"encoding/json"
	"errors"
	"io"
	"runtime"
	"sync"
	"time"

	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/segread"
)

// Writer writes objects to a stream. Not safe for concurrent use; what it is given is packed
// on all processors. Its blocks take some MiB.
type Writer struct {
	w     io.Writer
	free  chan *block // not in use
	work  chan *block // to pack
	order chan *block // to write, in this order
	done  chan struct{}

	mu      sync.Mutex
	err     error // of the stream
	written int64 // bytes of the file

	current *block // takes data
	number  uint32
	begun   bool // an object
	bytes   int64
	objects int
	closed  bool

	users *segread.Users // nil until they are needed
}

// NewWriter begins a file. The maker of a Writer calls Close.
func NewWriter(w io.Writer, h Header) (*Writer, error) {
	if h.Created.IsZero() {
		h.Created = time.Now().Truncate(time.Second)
	}
	preface := make([]byte, prefaceLen)
	copy(preface, magic)
	preface[len(magic)] = version
	if _, err := w.Write(preface); err != nil {
		return nil, err
	}
	workers := min(runtime.GOMAXPROCS(0), 8)
	n := 2*workers + 2
	a := &Writer{
		w: w, free: make(chan *block, n), work: make(chan *block, n), order: make(chan *block, n),
		done: make(chan struct{}),
	}
	for range n {
		a.free <- nil // made when they are needed
	}
	for range workers {
		go func() {
			for b := range a.work {
				b.pack()
				b.ready <- struct{}{}
			}
		}()
	}
	go a.writeBlocks()
	return a, a.putJSON(blockHeader, h)
}

// writeBlocks writes the blocks in order until there are no more.
func (a *Writer) writeBlocks() {
	defer close(a.done)
	for b := range a.order {
		<-b.ready
		if a.failed() == nil {
			_, err := a.w.Write(b.head[:])
			if err == nil {
				_, err = a.w.Write(b.stored)
			}
			a.mu.Lock()
			a.err = err
			a.written += headLen + int64(len(b.stored))
			a.mu.Unlock()
		}
		a.free <- b
	}
}

// Written returns how many bytes the file has. It is final after Close.
func (a *Writer) Written() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return int64(prefaceLen) + a.written
}

func (a *Writer) failed() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.err
}

// next returns a block to fill.
func (a *Writer) next(typ byte, position int64) *block {
	b := <-a.free
	if b == nil {
		b = newBlock()
	}
	b.typ, b.position, b.plain = typ, position, b.plain[:0]
	return b
}

// put has the block written.
func (a *Writer) put(b *block) error {
	b.number = a.number
	a.number++
	a.order <- b
	a.work <- b
	return a.failed()
}

func (a *Writer) putJSON(typ byte, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	b := a.next(typ, 0)
	b.plain = append(b.plain, text...)
	return a.put(b)
}

// Begin begins an object. Its content follows by Fill or Write, and then End.
func (a *Writer) Begin(o *Object) error {
	if a.begun {
		return errors.New("archive: an object was not ended")
	}
	if err := o.check(); err != nil {
		return err
	}
	a.begun, a.bytes = true, 0
	a.objects++
	return a.putJSON(blockObject, o)
}

// Fill adds one block of content at a position, which read puts into the slice that it is given,
// of n bytes, at most 1 MiB. A block of zeros only is left out, and so is one for which
// read reports an error.
func (a *Writer) Fill(position int64, n int, read func([]byte) error) error {
	b := a.next(blockData, position)
	b.plain = grown(b.plain, n)
	if err := read(b.plain); err != nil || allZero(b.plain) {
		a.free <- b
		return err
	}
	a.bytes += int64(n)
	return a.put(b)
}

// Write adds content as a stream.
func (a *Writer) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		if a.current == nil {
			a.current = a.next(blockData, a.bytes)
		}
		b := a.current
		n := min(len(rest), blockSize-len(b.plain))
		b.plain = append(b.plain, rest[:n]...)
		a.bytes += int64(n)
		if rest = rest[n:]; len(b.plain) == blockSize {
			a.current = nil
			if err := a.put(b); err != nil {
				return 0, err
			}
		}
	}
	return len(p), nil
}

// End ends the object. An error is why it is not whole; then nobody will restore it.
func (a *Writer) End(why error) error {
	if b := a.current; b != nil {
		a.current = nil
		if err := a.put(b); err != nil {
			return err
		}
	}
	a.begun = false
	e := end{Bytes: a.bytes}
	if why != nil {
		e.Error = why.Error()
		if len(e.Error) > 1000 {
			e.Error = e.Error[:1000]
		}
	}
	return a.putJSON(blockEnd, e)
}

// Close ends the file. It does not close the stream.
func (a *Writer) Close() error {
	if a.closed {
		return a.failed()
	}
	a.closed = true
	err := errors.New("archive: an object was not ended")
	if !a.begun {
		err = a.putJSON(blockLast, last{a.objects})
	}
	a.stop()
	return errors.Join(a.failed(), err)
}

// stop ends the goroutines, after all that was put is written.
func (a *Writer) stop() {
	close(a.work)
	close(a.order)
	<-a.done
}

// allZero compares with zeros page by page, since most blocks end it with the first byte.
func allZero(p []byte) bool {
	for len(p) > len(zeros) {
		if string(p[:len(zeros)]) != string(zeros[:]) {
			return false
		}
		p = p[len(zeros):]
	}
	return string(p) == string(zeros[:len(p)])
}

var zeros [4096]byte
