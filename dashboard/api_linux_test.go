package dashboard

import (
	"encoding/json"
	"strconv"
	"testing"

	"github.com/sysvipc/sysvipc"
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
	for path, want := range map[string]int{"/api/v1/objects/sem:2147483647": 404, "/api/v1/objects/sem": 400, "/api/v1/objects/sem:-1": 400, "/api/v1/objects/key:1": 400, "/page/history": 400} {
		if code, _ := get(t, h, path); code != want {
			t.Errorf("%s is answered %d, want %d", path, code, want)
		}
	}
}
