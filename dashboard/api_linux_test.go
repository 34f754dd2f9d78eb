package dashboard

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/history"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/internal/output"
)

// The API has the documents of "sysvipc … -o json", of objects that really are there.
func TestAPI(t *testing.T) {
	t.Parallel()
	key := sysvipc.Key(ipctest.Key(t))
	set, err := sysvipc.CreateSemaphores(key, 0o640, 3, 0, 7)
	if err != nil {
		t.Fatal(err)
	}
	defer set.Remove()
	h := handlerOf(Options{Collector: &Collector{Looks: &Looks{}}})
	ref := "sem:" + strconv.Itoa(set.ID())
	type document struct {
		Schema   string
		Complete *bool
		Warnings *[]string
		Objects  []*output.ShownObject
		Limits   []output.Limit
		Waits    *[]output.Wait
		Findings *[]output.Finding
	}
	ask := func(path string) (d document) {
		t.Helper()
		code, text := get(t, h, path)
		if code != 200 {
			t.Fatalf("%s is answered %d: %s", path, code, text)
		}
		if err := json.Unmarshal([]byte(text), &d); err != nil {
			t.Fatalf("%s: %v\n%s", path, err, text)
		}
		if d.Schema != output.Schema || d.Complete == nil || d.Warnings == nil {
			t.Errorf("%s is no document: %.200s", path, text)
		}
		return d
	}
	d := ask("/api/v1/objects/" + ref)
	if len(d.Objects) != 1 {
		t.Fatalf("there are %d objects, want 1", len(d.Objects))
	}
	o := d.Objects[0]
	if o.Ref != ref || o.Key != int32(key) || o.Mode != 0o640 || o.NSems != 3 || o.Verdict.Class == "" {
		t.Errorf("the set is %+v", o)
	}
	var values []int
	for _, s := range o.Semaphores.Semaphores {
		values = append(values, *s.Value)
	}
	if len(values) != 3 || values[0] != 3 || values[1] != 0 || values[2] != 7 {
		t.Errorf("its values are %v", values)
	}
	found := false
	for _, o := range ask("/api/v1/objects").Objects {
		found = found || o.Ref == ref
	}
	if !found {
		t.Errorf("%s is not in the list", ref)
	}
	var explained struct{ Objects []output.ExplainedObject }
	if _, text := get(t, h, "/api/v1/explain/"+ref); json.Unmarshal([]byte(text), &explained) != nil || len(explained.Objects) != 1 ||
		explained.Objects[0].Ref != ref || !strings.Contains(explained.Objects[0].Explanation, "a semaphore set with 3 semaphores (3, 0, 7)") {
		t.Errorf("%s is explained as %s", ref, text)
	}
	lim, err := sysvipc.ReadLimits()
	if err != nil {
		t.Fatal(err)
	}
	if all := ask("/api/v1/limits").Limits; len(all) < 11 || *all[0].Value != uint64(lim.Segments.Max) {
		t.Errorf("the limits are %+v", all)
	}
	if ask("/api/v1/waits").Waits == nil || ask("/api/v1/findings").Findings == nil {
		t.Error("there is no list of waits or findings")
	}
	for path, want := range map[string]int{"/api/v1/objects/sem:2147483647": 404, "/api/v1/objects/sem": 400, "/api/v1/objects/sem:-1": 400, "/api/v1/objects/key:1": 400, "/api/v1/explain/sem:2147483647": 404, "/api/v1/explain/sem": 400, "/page/history": 400, "/api/v1/events?since=yesterday": 400, "/api/v1/events?event=everything": 400} {
		if code, _ := get(t, h, path); code != want {
			t.Errorf("%s is answered %d, want %d", path, code, want)
		}
	}
}

// A queue's messages are counted by type, and stay where they are; no byte of them is shown.
func TestMessageTypes(t *testing.T) {
	t.Parallel()
	q, err := sysvipc.CreateQueue(sysvipc.Key(ipctest.Key(t)), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Remove()
	for _, m := range []struct {
		typ  int64
		text string
	}{{7, "secret one"}, {3, "secret two, longer"}, {7, ""}} {
		if err := q.Send(t.Context(), m.typ, []byte(m.text)); err != nil {
			t.Fatal(err)
		}
	}
	before, err := q.Stat()
	if err != nil {
		t.Fatal(err)
	}
	_, text := get(t, handlerOf(Options{Collector: &Collector{Looks: &Looks{}}}), "/api/v1/objects/msg:"+strconv.Itoa(q.ID()))
	var d struct{ Objects []output.ShownObject }
	if err := json.Unmarshal([]byte(text), &d); err != nil || len(d.Objects) != 1 || d.Objects[0].Contents == nil {
		t.Fatalf("%v: %s", err, text)
	}
	c := d.Objects[0].Contents
	if c.Counted == nil || *c.Counted != 3 || len(c.Types) != 2 || c.Types[0].Type != 3 || c.Types[0].First != 1 || c.Types[0].Bytes != 18 || c.Types[1].Type != 7 || c.Types[1].Messages != 2 {
		t.Errorf("it holds %+v", c)
	}
	if strings.Contains(text, "secret") {
		t.Errorf("the bytes of a message are shown: %s", text)
	}
	if after, err := q.Stat(); err != nil || after != before {
		t.Errorf("looking has changed it: %+v, was %+v, %v", after, before, err)
	}
}

// What comes and goes between two looks is an event, with what it was; what was there before the first is none.
func TestHappened(t *testing.T) {
	t.Parallel()
	old, err := sysvipc.CreateQueue(sysvipc.Private, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Remove()
	looks := &Looks{Fresh: time.Nanosecond}
	feed := &Feed{Looks: looks, History: history.New(10), Interval: time.Hour}
	looks.Happened = feed.Note
	h := handlerOf(Options{Collector: &Collector{Looks: looks}, Feed: feed})
	look := func() {
		t.Helper()
		if _, err := looks.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	look()
	set, err := sysvipc.CreateSemaphores(sysvipc.Key(ipctest.Key(t)), 0o600, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer set.Remove()
	look()
	if err := set.Remove(); err != nil {
		t.Fatal(err)
	}
	look()
	_, text := get(t, h, "/api/v1/events")
	var d struct{ Events []output.SeenEvent }
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		t.Fatal(err, text)
	}
	var seen []string
	for _, e := range d.Events {
		switch e.Ref {
		case "sem:" + strconv.Itoa(set.ID()):
			if !strings.HasPrefix(e.Text, "2 semaphores, key "+set.Key().String()+", owner ") {
				t.Errorf("it is described as %q", e.Text)
			}
			seen = append(seen, e.Event)
		case "msg:" + strconv.Itoa(old.ID()):
			t.Errorf("%+v, which was there before", e)
		}
	}
	if !slices.Equal(seen, []string{"removed", "made"}) {
		t.Errorf("the events of the set are %v", seen)
	}
	if _, text := get(t, h, "/api/v1/events?event=removed&event=found"); strings.Contains(text, `"made"`) || !strings.Contains(text, `"removed"`) {
		t.Errorf("what was removed or found is %s", text)
	}
}

// Many events of one look do not push what happened before out of the history.
func TestManyEvents(t *testing.T) {
	t.Parallel()
	n := 1
	looks := &Looks{Fresh: time.Nanosecond, take: func(context.Context, *inspect.Options) (*inspect.Snapshot, error) { return many(n, 1), nil }}
	var got []history.Event
	looks.Happened = func(events []history.Event) { got = append(got, events...) }
	for _, n = range []int{1, 500} {
		if _, err := looks.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	made := 0
	for _, e := range got {
		if e.What == history.Made {
			made++
		}
	}
	if last := got[len(got)-1]; made != maxEvents || !slices.ContainsFunc(got, func(e history.Event) bool { return e.What == history.More && e.Text == "399 more objects came or went" }) {
		t.Errorf("%d events, the last is %+v", made, last)
	}
}
