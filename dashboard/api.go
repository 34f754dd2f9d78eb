package dashboard

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/contents"
	"github.com/sysvipc/sysvipc/internal/output"
)

// lookTimeout is how long a request waits for a snapshot.
const lookTimeout = 10 * time.Second

// withLook answers with what f makes of a look, or says why there is none.
func (h *Handler) withLook(f func(w http.ResponseWriter, r *http.Request, look *Look)) http.Handler {
	return h.guarded(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), lookTimeout)
		defer cancel()
		look, err := h.opts.Collector.Looks.Look(ctx)
		if err == nil {
			err = look.Err
		}
		if err != nil {
			code := http.StatusInternalServerError
			if errors.Is(err, ErrNoAnswer) {
				code = http.StatusServiceUnavailable
			}
			http.Error(w, err.Error(), code)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		f(w, r, look)
	}))
}

// api adds what is in the schema of "sysvipc … -o json".
func (h *Handler) api(mux *http.ServeMux) {
	mux.Handle("GET /api/v1/objects", h.withLook(func(w http.ResponseWriter, _ *http.Request, look *Look) {
		d, l := output.StartDocument(w, "objects"), listing(look)
		for i := range look.Objects {
			d.Add(l.Inspected(&look.Objects[i]))
		}
		d.End(look.Warnings)
	}))
	one := func(publish func(ctx context.Context, look *Look, o *inspect.Object) any) http.Handler {
		return h.withLook(func(w http.ResponseWriter, r *http.Request, look *Look) {
			kind, id, ok := parseRef(r.PathValue("ref"))
			if !ok {
				http.Error(w, "write an object as shm:5, sem:0 or msg:7", http.StatusBadRequest)
				return
			}
			at := slices.IndexFunc(look.Objects, func(o inspect.Object) bool { return o.Kind == kind && o.ID == id })
			if at < 0 {
				http.Error(w, "there is no such object", http.StatusNotFound)
				return
			}
			d := output.StartDocument(w, "objects")
			d.Add(publish(r.Context(), look, &look.Objects[at]))
			d.End(look.Warnings)
		})
	}
	mux.Handle("GET /api/v1/objects/{ref}", one(func(ctx context.Context, look *Look, o *inspect.Object) any {
		return shown(ctx, listing(look), o)
	}))
	mux.Handle("GET /api/v1/explain/{ref}", one(func(_ context.Context, look *Look, o *inspect.Object) any {
		return &output.ExplainedObject{Object: listing(look).Inspected(o), Explanation: look.Explain(o)}
	}))
	mux.Handle("GET /api/v1/waits", h.withLook(func(w http.ResponseWriter, _ *http.Request, look *Look) {
		d := output.StartDocument(w, "waits")
		for i := range look.Waits {
			d.Add(output.WaitOf(look.Snapshot, &look.Waits[i]))
		}
		d.End(look.Warnings)
	}))
	mux.Handle("GET /api/v1/limits", h.withLook(func(w http.ResponseWriter, _ *http.Request, look *Look) {
		d := output.StartDocument(w, "limits")
		for _, l := range output.Limits(look.Limits) {
			d.Add(l)
		}
		d.End(nil)
	}))
	mux.Handle("GET /api/v1/findings", h.withLook(func(w http.ResponseWriter, _ *http.Request, look *Look) {
		d := output.StartDocument(w, "findings")
		for i := range look.Findings {
			d.Add(output.FindingOf(&look.Findings[i]))
		}
		d.End(look.Warnings)
	}))
}

// listing is what objects of a look have in common.
func listing(look *Look) *output.Look {
	return &output.Look{
		Time: look.Time, Namespace: look.Namespace, Own: look.Namespace, User: userNames.number, Group: groupNames.number,
	}
}

// mostCounted is how many messages of a queue are counted for a request: some milliseconds.
const mostCounted = 1000

// shown is an object, with the semaphores of a set, and how many messages of which type and size a queue has.
func shown(ctx context.Context, l *output.Look, o *inspect.Object) *output.ShownObject {
	s := &output.ShownObject{Object: l.Inspected(o)}
	if o.Queue != nil {
		c, err := contents.Count(ctx, sysvipc.QueueByID(o.ID), mostCounted)
		if err != nil { // this user may not read it, or it is gone
			s.Unknown = append([]string{"counted", "types"}, s.Unknown...)
		}
		s.Contents = c.Published()
	}
	if o.Set == nil {
		return s
	}
	list := make([]output.Semaphore, o.Set.Len)
	for i := range list {
		list[i] = output.Semaphore{Index: i}
		if i >= len(o.Semaphores) { // this user may not read the set
			list[i].Unknown = []string{"value", "pid", "ncnt", "zcnt"}
			continue
		}
		m := &o.Semaphores[i]
		list[i].Value, list[i].NCnt, list[i].ZCnt = &m.Value, &m.Acquire, &m.Zero
		if m.LastPID != 0 {
			list[i].PID = &m.LastPID
		}
	}
	s.Semaphores = &output.Semaphores{Semaphores: list}
	return s
}

// parseRef reads a REF by ID.
func parseRef(ref string) (sysvipc.Kind, int, bool) {
	word, number, _ := strings.Cut(ref, ":")
	id, err := strconv.ParseInt(number, 10, 32)
	for k, other := range kindWords {
		if word == other && err == nil && id >= 0 {
			return sysvipc.KindSegment + sysvipc.Kind(k), int(id), true
		}
	}
	return 0, 0, false
}
