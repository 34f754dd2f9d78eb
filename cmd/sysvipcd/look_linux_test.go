package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cluster"
	"github.com/sysvipc/sysvipc/internal/cli"
)

// schemaOf returns what checks the JSON that a verb writes.
func schemaOf(t *testing.T, verb string) func(text []byte) {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "..", "docs", "schema", "sysvipc-2.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	doc, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	delete(doc.(map[string]any), "$id")
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("sysvipc.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("sysvipc.json#/$defs/" + verb)
	if err != nil {
		t.Fatal(err)
	}
	return func(text []byte) {
		t.Helper()
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err == nil {
			err = s.Validate(value)
		}
		if err != nil {
			t.Errorf("of %s: %v\n%s", verb, err, text)
		}
	}
}

// The verbs that look at a cluster, and rm: what they say of each kind of object, in JSON as the schema has it.
func TestClusterVerbs(t *testing.T) {
	t.Parallel()
	url := nats(t)
	conn, err := cluster.Connect(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.NATS().Close() })
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	q, err := conn.CreateQueue(t.Context(), "orders", &cluster.QueueOptions{MaxMessages: 2})
	check(err)
	check(q.Send(t.Context(), 7, nil))
	check(q.Send(t.Context(), 8, nil))
	_, _, err = q.TryReceive(t.Context(), sysvipc.OfType(9))
	check(err)
	set, err := conn.CreateSemaphores(t.Context(), "orders", 1, 2)
	check(err)
	_, err = set.Take(t.Context(), sysvipc.Add(0, -1))
	check(err)
	v, err := cluster.VarOf[string](t.Context(), conn, "limit")
	check(err)
	check(v.Store(t.Context(), "high\x1b"))
	at := func(verb string, args ...string) []string { return append([]string{verb, "--cluster", url}, args...) }
	says := func(code int, want []string, args ...string) {
		t.Helper()
		p := run(t, code, args...)
		text := strings.Join(strings.Fields(p.out.String()+p.err.String()), " ")
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%q says %s; want %s", args, text, w)
			}
		}
	}
	for verb, args := range map[string][]string{
		"cluster-ls": at("ls", "-o", "json"), "cluster-waits": at("waits", "-o", "json"), "cluster-show": at("show", "msg:orders", "sem:orders", "limit", "-o", "json"),
		"doctor": at("doctor", "-o", "json"), "version": {"version", "-o", "json"}, "cluster-rm": at("rm", "--dry-run", "limit", "-o", "json"),
	} {
		schemaOf(t, verb)(run(t, 0, args...).out.Bytes())
	}
	says(0, []string{"queue: orders", "messages: 2 of 2", "type 7: 1", "receivers: type 9: 0 requests wait"}, at("show", "msg:orders")...)
	says(0, []string{"values: 0 2", fmt.Sprintf("orders holds %s %d", must(os.Hostname()), os.Getpid())}, at("show", "sem:orders")...)
	says(0, []string{`value: "high\u001b"`, "revision:"}, at("show", "limit")...)
	says(2, []string{"orders can mean msg:orders or sem:orders"}, at("show", "orders")...)
	says(3, []string{"see sysvipcd ls"}, at("show", "nothing")...)
	says(3, nil, at("show", "msg:nothing")...)
	says(2, nil, at("show")...)

	says(0, []string{`critical: queue "orders" has 2 of 2 messages`}, at("doctor")...)
	monitor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"server_name":"n1","jetstream":{"config":{"sync_interval":120000000000}}}`)
	}))
	defer monitor.Close()
	says(0, []string{"server n1 forces messages to its disk every 2m0s"}, at("doctor", "--monitor", monitor.URL)...)

	says(cli.ExitRefused, []string{`queue "orders" is in use: messages on it: 2`}, at("rm", "msg:orders")...)
	says(cli.ExitRefused, []string{`is in use: holders: 1; waiters: 0`, "removed: variable limit"}, at("rm", "sem:orders", "var:limit")...)
	says(0, []string{"would remove: queue orders"}, at("rm", "--force", "--dry-run", "msg:orders")...)
	says(0, []string{"removed: queue orders", "removed: semaphore set orders"}, at("rm", "--force", "msg:orders", "sem:orders")...)
	says(3, nil, at("rm", "msg:orders")...)
	says(0, nil, at("rm", "--if-exists", "msg:orders", "limit", "sem:orders")...)
	if all, err := conn.Objects(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("there are still %v, %v", all, err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
