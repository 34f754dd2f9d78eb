package structure

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/sysvipc/sysvipc/shared/internal/core"
	"github.com/sysvipc/sysvipc/shared/shape"
)

// Variable is a Var without its type: a word, or four cells. The parameters are a value's size,
// and the length of a cell: 0 where the value is one word.
type Variable struct {
	Cells
	one Word
}

// DeclareVar finds the variable, or makes it, with the zero value.
func DeclareVar(r *core.Region, name string, s shape.Shape) (*Variable, error) {
	size, stride := varLen(r, uint64(s.Size))
	w := core.Declaration{Kind: KindVar, Name: name, Shape: s, Size: size, Params: [4]uint64{uint64(s.Size), stride}}
	if stride != 0 {
		w.Init = formatCells
	}
	t, err := r.Declare(context.Background(), w)
	if err != nil {
		return nil, err
	}
	return VariableOf(t), nil
}

// varLen is how many bytes a variable takes whose values have size bytes, and the length of a
// cell.
func varLen(r *core.Region, size uint64) (all, stride uint64) {
	if size <= wordSize {
		return WordLen(r), 0
	}
	stride = core.RoundUp(size, core.Line)
	return cellsLen(r, stride), stride
}

func VariableOf(t core.Structure) *Variable {
	return &Variable{Cells{t, t.Params[1], t.Region.LocalLock(t.Offset)}, Word{t}}
}

// VariableFits reports whether what the entry of a variable says can be true.
func VariableFits(t core.Structure) bool {
	size := t.Params[0]
	all, stride := varLen(t.Region, size)
	return size > 0 && size <= maxMessage && stride == t.Params[1] && all == t.Size
}

func (x *Variable) IsWord() bool { return x.stride == 0 }

func (x *Variable) changed() uint64 {
	if x.IsWord() {
		return x.one.changed()
	}
	return x.Cells.changed()
}

// Load copies the value, and returns its number, or the word that it is.
func Load[T any](x *Variable, value *T) (seq uint64, err error) {
	v := x.Region.View.Load()
	if v == nil {
		return 0, x.Region.Closed()
	}
	if x.IsWord() {
		seq = atomic.LoadUint64(x.one.At(v))
		*value = unpack[T](seq)
	} else {
		h := x.head(v)
		for { // as read, which the compiler does not inline
			seq = atomic.LoadUint64(&h.seq)
			core.ReadCell(value, x.cell(v, seq))
			if h.whole(seq) {
				break
			}
		}
	}
	if x.Region.View.Load() != v { // meanwhile: what was read may be zeros
		var none T
		*value, err = none, x.Region.Closed()
	}
	v.Done()
	return seq, err
}

// Store sets the value. It may wait for another writer, until ctx is done.
func Store[T any](ctx context.Context, x *Variable, value *T) error {
	if x.IsWord() {
		_, err := updateWord(ctx, &x.one, func(v *T) bool { *v = *value; return true })
		return err
	}
	v, err := x.Region.Use()
	if err != nil {
		return err
	}
	defer v.Done()
	g, err := x.begin(ctx, v)
	if err != nil {
		return fmt.Errorf("shared: write var %q: %w", x.Name, err)
	}
	h := x.head(v)
	seq := atomic.LoadUint64(&h.seq) + 1
	core.WriteCell(x.cell(v, seq), value)
	atomic.StoreUint64(&h.seq, seq) // as publish, which the compiler does not inline
	x.Region.Notify(v, x.Cells.changed())
	g.Unlock(&h.lock)
	return nil
}

// Update changes the value by change, and reports whether it did. It may wait for another
// writer, until ctx is done.
func Update[T any](ctx context.Context, x *Variable, change func(*T) bool) (bool, error) {
	if x.IsWord() {
		return updateWord(ctx, &x.one, change)
	}
	v, err := x.Region.Use()
	if err != nil {
		return false, err
	}
	defer v.Done()
	g, err := x.begin(ctx, v)
	if err != nil {
		return false, fmt.Errorf("shared: write var %q: %w", x.Name, err)
	}
	defer g.Unlock(&x.head(v).lock)
	var value T
	seq := x.seq(v)
	core.ReadCell(&value, x.cell(v, seq))
	if !change(&value) {
		return false, nil
	}
	core.WriteCell(x.cell(v, seq+1), &value)
	x.publish(v, seq+1)
	return true, nil
}

// Next waits until the value's number, or the word that it is, is not seen.
func Next[T any](ctx context.Context, x *Variable, seen uint64, first bool, value *T) (seq uint64, err error) {
	v, err := x.Region.Use()
	if err != nil {
		return 0, err
	}
	defer v.Done()
	var failed error
	err = x.Region.Wait(ctx, v, x.changed(), func() bool {
		seq, failed = Load(x, value)
		return first || seq != seen || failed != nil
	})
	if err == nil {
		err = failed
	}
	return seq, err
}
