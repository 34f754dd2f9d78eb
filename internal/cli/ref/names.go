package ref

import (
	"context"
	"errors"

	"github.com/sysvipc/sysvipc"
)

// Names are the ways in which the user named objects by their keys. The kernel and
// package sysvipc know numbers; an error about an object names it as it was typed.
type Names struct{ all []typedName }

type typedName struct {
	kind sysvipc.Kind // 0: of any
	key  sysvipc.Key
	id   int    // -1: not found yet
	how  string // such as name=orders
}

type typedNamesKey struct{}

// WithNames returns a context in which names are kept.
func WithNames(ctx context.Context) context.Context {
	return context.WithValue(ctx, typedNamesKey{}, new(Names))
}

// NamesOf returns those of a context, and nil where none are kept, which is as good as no names.
func NamesOf(ctx context.Context) *Names {
	if ctx == nil {
		return nil
	}
	t, _ := ctx.Value(typedNamesKey{}).(*Names)
	return t
}

func (t *Names) add(n typedName) {
	if t != nil {
		t.all = append(t.all, n)
	}
}

// Name has an error of package sysvipc name the object as the user did.
func (t *Names) Name(err error) {
	var e *sysvipc.Error
	if t == nil || !errors.As(err, &e) || e.Name != "" {
		return
	}
	for _, n := range t.all {
		if n.kind != 0 && n.kind != e.Kind {
			continue
		}
		if e.ID >= 0 && n.id == e.ID || e.Key != sysvipc.Private && n.key == e.Key {
			e.Name = Word(e.Kind) + ":" + n.how
			return
		}
	}
}
