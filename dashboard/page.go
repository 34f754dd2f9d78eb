package dashboard

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/history"
	"github.com/sysvipc/sysvipc/internal/output"
)

// page is what a browser loads: without data, which it asks for with the token.
//
//go:embed page
var page embed.FS

// pages adds the page and what it asks for.
func (h *Handler) pages(mux *http.ServeMux) {
	files, err := fs.Sub(page, "page")
	if err != nil {
		panic(err) // the name is no path
	}
	mux.HandleFunc("GET /static/{file}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache")
		http.ServeFileFS(w, r, files, r.PathValue("file"))
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, files, "page.html")
	})
	mux.Handle("GET /page/rows", h.withLook(rows))
	mux.Handle("GET /page/history", h.guarded(http.HandlerFunc(h.history)))
	mux.Handle("GET /api/v1/events", h.guarded(http.HandlerFunc(h.happened)))
	mux.Handle("GET /page/states", h.streamed(http.HandlerFunc(h.states)))
}

// row is what the table shows of an object beside its names.
type row struct{ size, use, capacity, used int64 }

// rowOf returns bytes, semaphores or bytes of messages; attaches, waiting threads or messages; the
// capacity of a queue, else 0; and the time of the last use.
func rowOf(o *inspect.Object) (r row) {
	r.used = unixOrZero(o.LastUse())
	switch {
	case o.Segment != nil:
		r.size, r.use = o.Segment.Size, int64(o.Segment.Attaches)
	case o.Set != nil:
		r.size, r.use = int64(o.Set.Len), int64(o.Waiters)
	default:
		r.size, r.use, r.capacity = int64(o.Queue.Bytes), int64(o.Queue.Messages), int64(o.Queue.MaxBytes)
	}
	return r
}

// unixOrZero is a Unix time in seconds; 0 stands for never.
func unixOrZero(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// columns are the rows of the table, turned: 44,000 of them are 3 MB, and nothing for a browser.
type columns struct {
	Time    int64           `json:"time"`
	Classes []inspect.Class `json:"classes"`
	Owners  []string        `json:"owners"`
	Ref     []string        `json:"ref"`
	Key     []uint32        `json:"key"`
	Mode    []uint32        `json:"mode"`
	Owner   []int           `json:"owner"` // index of Owners
	Size    []int64         `json:"size"`
	Use     []int64         `json:"use"`
	Max     []int64         `json:"max"`
	Used    []int64         `json:"used"`
	Class   []int           `json:"class"` // index of Classes
	Who     []string        `json:"who"`
}

func rows(w http.ResponseWriter, _ *http.Request, look *Look) {
	c := columns{Time: look.Time.Unix(), Classes: classes[:]}
	owners := map[int]int{}
	for i := range look.Objects {
		o := &look.Objects[i]
		at, ok := owners[o.UID]
		if !ok {
			at = len(c.Owners)
			owners[o.UID] = at
			name := userNames.number(o.UID)
			if name == "" {
				name = strconv.Itoa(o.UID)
			}
			c.Owners = append(c.Owners, name)
		}
		r := rowOf(o)
		c.Ref, c.Key, c.Mode, c.Owner = append(c.Ref, o.Ref()), append(c.Key, uint32(o.Key)), append(c.Mode, uint32(o.Mode)), append(c.Owner, at)
		c.Size, c.Use, c.Max, c.Used = append(c.Size, r.size), append(c.Use, r.use), append(c.Max, r.capacity), append(c.Used, r.used)
		c.Class, c.Who = append(c.Class, classIndex(o.Verdict.Class)), append(c.Who, programs(o))
	}
	json.NewEncoder(w).Encode(&c)
}

// programs are the names of up to three programs that use an object now.
func programs(o *inspect.Object) string {
	const most = 3
	var names []string
	for i := range o.Users {
		u := &o.Users[i]
		comm := u.Comm()
		if u.Status != inspect.Alive || comm == "" || slices.Contains(names, comm) {
			continue
		}
		if len(names) == most {
			names = append(names, "…")
			break
		}
		names = append(names, comm)
	}
	return strings.Join(names, ", ")
}

// historyPoints is how many samples a page gets at most: more than it has pixels.
const historyPoints = 800

// history answers with the samples of the last seconds, turned as the charts want them.
func (h *Handler) history(w http.ResponseWriter, r *http.Request) {
	seconds, err := strconv.ParseUint(r.URL.Query().Get("seconds"), 10, 32)
	if err != nil || seconds == 0 {
		http.Error(w, "seconds=N: how many of the last ones", http.StatusBadRequest)
		return
	}
	now := time.Now()
	samples := h.opts.Feed.History.Samples(now.Add(-time.Duration(seconds)*time.Second), now, historyPoints)
	out := map[string][]any{}
	add := func(name string, value func(s *history.Sample) any) {
		list := make([]any, len(samples))
		for i := range samples {
			list[i] = value(&samples[i])
		}
		out[name] = list
	}
	known := func(n uint64) any {
		if n == ^uint64(0) {
			return nil
		}
		return n
	}
	add("time", func(s *history.Sample) any { return float64(s.Time) / 1000 })
	add("bytes", func(s *history.Sample) any { return s.Bytes })
	add("resident", func(s *history.Sample) any { return known(s.Resident) })
	add("message_bytes", func(s *history.Sample) any { return s.MessageBytes })
	add("segments", func(s *history.Sample) any { return s.Segments })
	add("sets", func(s *history.Sample) any { return s.Sets })
	add("queues", func(s *history.Sample) any { return s.Queues })
	add("messages", func(s *history.Sample) any { return s.Messages })
	add("waiting", func(s *history.Sample) any { return s.Waiting })
	add("orphans", func(s *history.Sample) any { return s.Orphans })
	add("blocked", func(s *history.Sample) any { return s.Blocked + s.Deadlocks })
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(out)
}

// How long a reader of a stream may take, and after how long a silent stream says that it lives.
const (
	streamWrite = 15 * time.Second
	streamAlive = 10 * time.Second
)

// eventsAtOnce is how many events an answer has at most.
const eventsAtOnce = 1000

// happened answers with the events from the time "since" until before "until", the newest first; with "event", which can be
// repeated, those of that kind.
func (h *Handler) happened(w http.ResponseWriter, r *http.Request) {
	since, until := time.Unix(0, 0), time.Unix(1<<40, 0)
	for name, t := range map[string]*time.Time{"since": &since, "until": &until} {
		if text := r.URL.Query().Get(name); text != "" {
			at, err := time.Parse(time.RFC3339, text)
			if err != nil {
				http.Error(w, name+"=TIME, such as 2026-01-31T03:12:00Z", http.StatusBadRequest)
				return
			}
			*t = at
		}
	}
	var kinds []history.What
	for _, word := range r.URL.Query()["event"] {
		kind, ok := history.ParseWhat(word)
		if !ok {
			http.Error(w, "event=KIND: made, removed, found, solved or more", http.StatusBadRequest)
			return
		}
		kinds = append(kinds, kind)
	}
	w.Header().Set("Content-Type", "application/json")
	d := output.StartDocument(w, "events")
	for _, e := range h.opts.Feed.History.Events(since, until, eventsAtOnce, kinds...) {
		d.Add(output.SeenEvent{Time: e.Time, Event: e.What.String(), Ref: e.Ref, Text: e.Text})
	}
	d.End(nil)
}

// states is a stream of server-sent events: each is a state. It ends with the server.
func (h *Handler) states(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	control.SetReadDeadline(time.Time{}) // the request has been read; the deadline would end the stream
	w.Header().Set("Content-Type", "text/event-stream")
	alive := time.NewTicker(streamAlive)
	defer alive.Stop()
	send := func(text string) bool {
		control.SetWriteDeadline(time.Now().Add(streamWrite))
		_, err := w.Write([]byte(text))
		return err == nil && control.Flush() == nil
	}
	ended := stopping(r.Context())
	for {
		state, changed := h.opts.Feed.current()
		if !send(fmt.Sprintf("data: %s\n\n", state)) {
			return
		}
		for waiting := true; waiting; {
			select {
			case <-changed:
				waiting = false
			case <-alive.C:
				if !send(": alive\n\n") {
					return
				}
			case <-r.Context().Done():
				return
			case <-ended:
				return
			}
		}
	}
}

// maxStreams is how many streams are open at once: pages of one machine's administrators.
const maxStreams = 32

// streamed is guarded with slots of its own, which streams hold for as long as a page is open.
func (h *Handler) streamed(next http.Handler) http.Handler {
	slots := make(chan struct{}, maxStreams)
	return h.guardedBy(slots, next)
}
