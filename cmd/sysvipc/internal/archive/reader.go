package archive

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"runtime"
	"sync"
)

// ErrNotDump is the reason for a stream that never was a dump.
var ErrNotDump = errors.New("it is no dump of sysvipc")

// Damage is the error for a file, or an object in it, that cannot be trusted.
type Damage struct {
	Ref    string // the object's, as it was; "" if all that follows is lost
	Offset int64  // in the file
	Err    error
}

func (d *Damage) Error() string {
	if d.Ref == "" {
		return fmt.Sprintf("damaged at offset %d: %v", d.Offset, d.Err)
	}
	return fmt.Sprintf("%s is damaged in the file, at offset %d: %v", d.Ref, d.Offset, d.Err)
}

func (d *Damage) Unwrap() error { return d.Err }

// Reader reads the objects of a stream. Not safe for concurrent use.
type Reader struct {
	Header Header

	r       io.Reader
	offset  int64 // of the next block
	number  uint32
	lost    error // why nothing more can be read
	ended   bool  // by a Z block
	objects int
	free    chan *block

	// The object that was begun.
	object *Object
	next   int64 // the least position of the next block
	bytes  int64 // of content so far
	bad    error // why it cannot be trusted
}

// NewReader begins to read a file.
func NewReader(r io.Reader) (*Reader, error) {
	preface := make([]byte, prefaceLen)
	n, err := io.ReadFull(r, preface)
	switch {
	case err != nil && tooShort(err) != errTruncated:
		return nil, err
	case n < len(magic) || string(preface[:len(magic)]) != magic:
		return nil, ErrNotDump
	case n < prefaceLen:
		return nil, &Damage{Offset: int64(n), Err: errTruncated}
	}
	if v := binary.LittleEndian.Uint32(preface[len(magic):]); v != version {
		return nil, fmt.Errorf("it is a dump of version %d, and this program reads version %d", v, version)
	}
	d := &Reader{r: r, offset: int64(prefaceLen), free: make(chan *block, 2*workers())}
	for range cap(d.free) {
		d.free <- nil
	}
	b := d.take()
	defer d.give(b)
	if err := d.read(b); err != nil {
		return nil, err
	}
	if b.typ != blockHeader {
		return nil, d.lose(errors.New("the header is missing"))
	}
	return d, d.decode(b, &d.Header)
}

func workers() int { return min(runtime.GOMAXPROCS(0), 8) }

func (d *Reader) take() *block {
	if b := <-d.free; b != nil {
		return b
	}
	return newBlock()
}

func (d *Reader) give(b *block) { d.free <- b }

// lose ends all reading.
func (d *Reader) lose(why error) error {
	d.lost = &Damage{Offset: d.offset, Err: why}
	return d.lost
}

// read reads the next block.
func (d *Reader) read(b *block) error {
	if d.lost != nil {
		return d.lost
	}
	if err := b.read(d.r, d.number); err != nil {
		return d.lose(err)
	}
	d.number++
	d.offset += headLen + int64(len(b.stored))
	return nil
}

// decode reads the JSON of a block. Without it what follows has no meaning.
func (d *Reader) decode(b *block, v any) error {
	err := b.unpack()
	if err == nil {
		err = json.Unmarshal(b.plain, v)
	}
	if err != nil {
		return d.lose(fmt.Errorf("what it says of the %s: %w", map[byte]string{
			blockHeader: "file", blockObject: "next object", blockEnd: "end of an object", blockLast: "end of the file",
		}[b.typ], err))
	}
	return nil
}

// Next returns the next object, and [io.EOF] behind the last one. What was not read of the
// content of the object before is passed over unchecked. After another error there is nothing more.
func (d *Reader) Next() (*Object, error) {
	if d.object != nil {
		_ = d.content(nil, false)
		if d.lost != nil {
			return nil, d.lost
		}
	}
	if d.ended {
		return nil, io.EOF
	}
	b := d.take()
	defer d.give(b)
	if err := d.read(b); err != nil {
		return nil, err
	}
	switch b.typ {
	case blockObject:
		o := new(Object)
		if err := d.decode(b, o); err != nil {
			return nil, err
		}
		if err := o.check(); err != nil {
			return nil, d.lose(err)
		}
		d.object, d.next, d.bytes, d.bad = o, 0, 0, nil
		d.objects++
		return o, nil
	case blockLast:
		var z last
		if err := d.decode(b, &z); err != nil {
			return nil, err
		}
		if z.Objects != d.objects {
			return nil, d.lose(fmt.Errorf("it has %d objects, and should have %d", d.objects, z.Objects))
		}
		if n, _ := io.ReadFull(d.r, make([]byte, 1)); n > 0 {
			return nil, d.lose(errors.New("something stands behind the end"))
		}
		d.ended = true
		return nil, io.EOF
	}
	return nil, d.lose(fmt.Errorf("a block of type %q stands where an object should begin", b.typ))
}

// Objects yields the objects, and ends after the first error.
func (d *Reader) Objects() iter.Seq2[*Object, error] {
	return func(yield func(*Object, error) bool) {
		for {
			o, err := d.Next()
			if err == io.EOF || !yield(o, err) || err != nil {
				return
			}
		}
	}
}

// Content hands the content of the object that Next returned to use, block by block, and
// reports whether all of it was there and right: only if Content returns nil is the object whole. With
// concurrent, use is called by several goroutines, and in any order. The slice is use's until it returns.
// If use fails, the object is read to its end all the same, and the error is use's.
func (d *Reader) Content(concurrent bool, use func(position int64, p []byte) error) error {
	if d.object == nil {
		return errors.New("archive: the content was read already")
	}
	return d.content(use, concurrent)
}

func (d *Reader) content(use func(int64, []byte) error, concurrent bool) error {
	o := d.object
	var group sync.WaitGroup
	var mu sync.Mutex
	var useErr error
	serve := func(b *block, offset int64) {
		err := b.unpack()
		var mine error
		if err == nil {
			mine = use(b.position, b.plain)
		}
		mu.Lock()
		defer mu.Unlock()
		if err != nil && d.bad == nil {
			d.bad = &Damage{o.Ref(), offset, err}
		}
		if mine != nil && useErr == nil {
			useErr = mine
		}
	}
	stopped := func() bool { mu.Lock(); defer mu.Unlock(); return d.bad != nil || useErr != nil }
	for d.object != nil {
		b := d.take()
		offset := d.offset
		if err := d.read(b); err != nil {
			d.give(b)
			group.Wait()
			d.object = nil
			return &Damage{o.Ref(), offset, errors.Unwrap(err)}
		}
		switch b.typ {
		case blockData:
			if err := d.place(b); err != nil {
				mu.Lock()
				d.bad = &Damage{o.Ref(), offset, err}
				mu.Unlock()
			}
			switch {
			case use == nil || stopped():
				d.give(b)
			case concurrent:
				group.Go(func() { serve(b, offset); d.give(b) })
			default:
				serve(b, offset)
				d.give(b)
			}
		case blockEnd:
			group.Wait()
			err := d.endObject(b, offset)
			d.give(b)
			if err != nil && useErr == nil {
				return err
			}
		default:
			d.give(b)
			group.Wait()
			d.object = nil
			return d.lose(fmt.Errorf("a block of type %q stands in %s", b.typ, o.Ref()))
		}
	}
	return useErr
}

// place checks where the bytes of a block belong.
func (d *Reader) place(b *block) error {
	o, n := d.object, int64(binary.LittleEndian.Uint32(b.head[4:]))
	stream := o.Kind != "shm"
	switch {
	case stream && b.position != d.next, b.position < d.next:
		return fmt.Errorf("its bytes from %d on stand where those from %d on belong", b.position, d.next)
	case stream && n > o.contentLen()-d.next, !stream && (b.position > o.Size || n > o.Size-b.position):
		return errors.New("it has more content than it can have")
	}
	d.next = b.position + n
	d.bytes += n
	return nil
}

// endObject checks that nothing is missing.
func (d *Reader) endObject(b *block, offset int64) error {
	o := d.object
	d.object = nil
	var e end
	if err := d.decode(b, &e); err != nil {
		return err
	}
	want := o.contentLen()
	switch {
	case d.bad != nil:
	case e.Error != "":
		d.bad = fmt.Errorf("%s could not be saved whole: %s", o.Ref(), e.Error)
	case d.bytes != e.Bytes, want >= 0 && d.bytes != want:
		d.bad = &Damage{o.Ref(), offset, fmt.Errorf("it has %d bytes of content, and should have %d", d.bytes, max(want, e.Bytes))}
	}
	return d.bad
}
