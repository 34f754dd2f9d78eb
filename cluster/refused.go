package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
)

// refused is that the servers do not let this user use a subject. They tell that beside the
// call, which has no answer.
type refused struct{ subject, said string }

func (r *refused) Error() string {
	return fmt.Sprintf("permission denied on subject %q: %s", r.subject, r.said)
}

func (r *refused) Is(target error) bool { return target == fs.ErrPermission }

// refusals are what the servers refused. Safe for concurrent use.
type refusals struct {
	mu      sync.Mutex
	n       int
	last    *refused
	waiting map[string]map[*context.CancelCauseFunc]struct{} // calls, by subject
}

// heard notes an error of the connection.
func (r *refusals) heard(err error) {
	if !errors.Is(err, nats.ErrPermissionViolation) {
		return
	}
	_, rest, _ := strings.Cut(err.Error(), `"`)
	subject, _, _ := strings.Cut(rest, `"`)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.n++
	r.last = &refused{subject, err.Error()}
	for end := range r.waiting[subject] {
		(*end)(r.last)
	}
}

// await returns a context that ends when a subject is refused, and what ends the waiting for
// that.
func (r *refusals) await(ctx context.Context, subject string) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiting == nil {
		r.waiting = map[string]map[*context.CancelCauseFunc]struct{}{}
	}
	if r.waiting[subject] == nil {
		r.waiting[subject] = map[*context.CancelCauseFunc]struct{}{}
	}
	r.waiting[subject][&cancel] = struct{}{}
	return ctx, func() {
		cancel(nil)
		r.mu.Lock()
		defer r.mu.Unlock()
		if delete(r.waiting[subject], &cancel); len(r.waiting[subject]) == 0 {
			delete(r.waiting, subject)
		}
	}
}

func (r *refusals) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.n
}

// since returns the last refusal if there were some since then.
func (r *refusals) since(n int) *refused {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.n == n {
		return nil
	}
	return r.last
}
