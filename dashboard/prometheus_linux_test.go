package dashboard

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// A real Prometheus scrapes a server that asks for a token, has the kernel's numbers, and evaluates each rule.
func TestPrometheus(t *testing.T) {
	t.Parallel()
	path, err := exec.LookPath("prometheus")
	if err != nil {
		const missing = "needs Debian's package prometheus"
		if os.Getenv("CI") == "true" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	q, err := sysvipc.CreateQueue(sysvipc.Key(ipctest.Key(t)), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Remove()
	for range 3 {
		if err := q.Send(t.Context(), 1, []byte("12345")); err != nil {
			t.Fatal(err)
		}
	}
	const token = "0123456789abcdef"
	target, stop := serving(t, handlerOf(Options{Token: token, Collector: &Collector{
		Looks: &Looks{}, Objects: func(o *inspect.Object) bool { return o.Kind == sysvipc.KindQueue && o.ID == q.ID() },
	}}), nil)
	defer stop()

	dir := t.TempDir()
	rules, err := filepath.Abs("monitoring/rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "prometheus.yml")
	text := fmt.Sprintf("global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [%q]\nscrape_configs:\n- job_name: sysvipc\n  authorization: {credentials: %s}\n  static_configs: [{targets: [%q]}]\n", rules, token, target)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address=127.0.0.1:0")
	// It is killed with the thread that starts it, and threads that have been in another namespace end.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	api := ""
	listening := regexp.MustCompile(`"Listening on" address=(\S+)`)
	lines := bufio.NewScanner(stderr)
	for api == "" && lines.Scan() {
		if m := listening.FindStringSubmatch(lines.Text()); m != nil {
			api = "http://" + m[1] + "/api/v1/"
		}
	}
	if api == "" {
		t.Fatalf("prometheus ends before it listens: %v", lines.Err())
	}
	go io.Copy(io.Discard, stderr)

	asked := func(what string, v any) bool {
		resp, err := http.Get(api + what)
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return json.NewDecoder(resp.Body).Decode(v) == nil
	}
	until := func(what string, ok func() bool) {
		t.Helper()
		for deadline := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("after two minutes: %s", what)
			}
		}
	}
	labels := fmt.Sprintf(`{ref="msg:%d",key=%q,job="sysvipc"}`, q.ID(), q.Key().String())
	for expr, want := range map[string]int{`up{job="sysvipc"}`: 1, "sysvipc_object_messages" + labels: 3, "sysvipc_object_message_bytes" + labels: 15} {
		var got struct {
			Data struct {
				Result []struct{ Value [2]any }
			}
		}
		until(fmt.Sprintf("%s is not %d", expr, want), func() bool {
			got.Data.Result = nil
			return asked("query?query="+url.QueryEscape(expr), &got) && len(got.Data.Result) == 1 && got.Data.Result[0].Value[1] == strconv.Itoa(want)
		})
	}
	var groups struct {
		Data struct {
			Groups []struct {
				Rules []struct {
					Name, Health, LastError string
					LastEvaluation          time.Time
				}
			}
		}
	}
	scraped := time.Now() // without what was scraped, any rule can be evaluated
	until("not every rule is evaluated", func() bool {
		groups.Data.Groups = nil
		n := 0
		if !asked("rules", &groups) {
			return false
		}
		for _, g := range groups.Data.Groups {
			for _, r := range g.Rules {
				if n++; r.Health == "err" {
					t.Fatalf("%s cannot be evaluated: %s", r.Name, r.LastError)
				} else if r.Health != "ok" || r.LastEvaluation.Before(scraped) {
					return false
				}
			}
		}
		return n > 10
	})
}
