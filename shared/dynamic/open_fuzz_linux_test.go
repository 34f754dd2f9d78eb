package dynamic_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"sync"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared"
	"github.com/sysvipc/sysvipc/shared/dynamic"
	"github.com/sysvipc/sysvipc/shared/internal/core"
)

// image is a region of each kind of structure, as it lies in memory after its makers have left.
var image = sync.OnceValues(func() ([]byte, error) {
	ctx := context.Background()
	r, err := shared.EnsureKey(ctx, sysvipc.Key(0x46555a5a), &shared.Options{Size: 1 << 16, Entries: 16, Participants: 4})
	if err != nil {
		return nil, err
	}
	defer r.Close()
	defer r.Remove()
	v, err := shared.VarOf[[3]int64](r, "var")
	if err == nil {
		err = v.Store(ctx, [3]int64{1, 2, 3})
	}
	if err != nil {
		return nil, err
	}
	for _, declare := range []func() error{
		func() error { _, err := shared.VarOf[int32](r, "word"); return err },
		func() error { _, err := shared.CounterOf(r, "counter"); return err },
		func() error { _, err := shared.MutexOf(r, "mutex"); return err },
		func() error { _, err := shared.RWMutexOf(r, "rwmutex"); return err },
		func() error { _, err := shared.ChanOf[int64](r, "chan", 4); return err },
		func() error { _, err := shared.MapOf[int32, int64](r, "map", 10); return err },
		func() error { _, err := shared.TopicOf[int64](r, "topic", 4); return err },
		func() error { _, err := shared.DocOf[string](r, "doc", 20); return err },
		func() error { _, err := shared.RecordsOf(r, "records", 256); return err },
	} {
		if err := declare(); err != nil {
			return nil, err
		}
	}
	return bytes.Clone(core.Of(r).View.Load().Bytes), nil
})

// Whatever lies in a segment: opening it as a region, and everything that one may do then,
// comes to an end, with an error or without, and writes nothing outside. The fuzzer's bytes
// are words that are written into a good region: an offset in 8 bytes, then the word.
func FuzzOpen(f *testing.F) {
	word := func(offset, value uint64) []byte {
		return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, offset), value)
	}
	f.Add([]byte{})
	f.Add(word(0, 0))                                                    // no magic: raw memory
	f.Add(word(8, 1|core.StateStarted<<32))                              // a creator was killed
	f.Add(word(8, 2|core.StateReady<<32))                                // another version
	f.Add(word(64, ^uint64(0)))                                          // the config
	f.Add(word(core.HeaderLen+4*core.SlotLen, ^uint64(0)))               // an entry's state and kind
	f.Add(word(core.HeaderLen+4*core.SlotLen+16, 1<<63))                 // an entry's offset
	f.Add(word(core.HeaderLen+4*core.SlotLen+16*core.EntryLen, 1<<63-1)) // the marks
	f.Fuzz(func(t *testing.T, words []byte) {
		good, err := image()
		if err != nil {
			t.Fatal(err)
		}
		bad := bytes.Clone(good)
		for ; len(words) >= 16; words = words[16:] {
			offset := binary.LittleEndian.Uint64(words) % uint64(len(bad)) &^ 7
			copy(bad[offset:], words[8:16])
		}
		key := sysvipc.Key(ipctest.Key(t))
		seg, err := sysvipc.CreateSegment(key, int64(len(bad)), 0o600)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = seg.Remove() })
		mem, err := seg.Attach(nil)
		if err != nil {
			t.Fatal(err)
		}
		defer mem.Close()
		if _, err := mem.WriteAt(bad, 0); err != nil {
			t.Fatal(err)
		}
		if o, err := dynamic.Look(seg); err == nil {
			lookAtAll(t, &o.Region, true)
			_ = o.Close()
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		r, err := shared.EnsureKey(ctx, key, nil)
		if err != nil {
			return
		}
		defer r.Close()
		lookAtAll(t, dynamic.Of(r), false)
		useAll(ctx, r)
	})
}

// useAll uses the structures of the image by their types, if they can be opened. The lock of
// the directory may be taken by what the fuzzer wrote, so that only what is there is asked for.
func useAll(ctx context.Context, r *shared.Region) {
	uses := map[string]func(){
		"var": func() {
			if x, err := shared.VarOf[[3]int64](r, "var"); err == nil {
				_, _ = x.Load()
				_ = x.Store(ctx, [3]int64{})
			}
		},
		"chan": func() {
			if c, err := shared.ChanOf[int64](r, "chan", 4); err == nil {
				_, _ = c.SendBatch(ctx, make([]int64, 6))
				_, _ = c.ReceiveBatch(ctx, make([]int64, 6))
				_, _ = c.Len()
			}
		},
		"map": func() {
			if m, err := shared.MapOf[int32, int64](r, "map", 10); err == nil {
				for k := range int32(12) {
					_ = m.Store(ctx, k, 1)
					_, _, _ = m.Load(k)
				}
				_, _ = m.Delete(ctx, 3)
			}
		},
		"topic": func() {
			if p, err := shared.TopicOf[int64](r, "topic", 4); err == nil {
				if s, err := p.Subscribe(shared.Gated); err == nil {
					for range 6 {
						_ = p.Publish(ctx, 1)
					}
					_, _, _ = s.Next(ctx)
					_ = s.Close()
				}
			}
		},
		"doc": func() {
			if d, err := shared.DocOf[string](r, "doc", 20); err == nil {
				_ = d.Store(ctx, "text")
				_, _ = d.Load()
			}
		},
		"records": func() {
			if q, err := shared.RecordsOf(r, "records", 256); err == nil {
				_ = q.Send(ctx, make([]byte, 20))
				_, _ = q.Receive(ctx, nil)
			}
		},
	}
	all, _ := dynamic.Of(r).All()
	for _, s := range all {
		if use := uses[s.Describe().Name]; use != nil {
			use()
		}
	}
}
