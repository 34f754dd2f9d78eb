package dashboard

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/history"
)

// Nothing of the page comes from elsewhere or stands in the HTML, so that the policy default-src 'self' holds.
func TestPageIsSelfContained(t *testing.T) {
	t.Parallel()
	h := handlerOf(Options{Token: "0123456789abcdef"})
	code, html := get(t, h, "/")
	if code != 200 {
		t.Fatalf("the page is answered %d", code)
	}
	for _, bad := range []string{`<script>`, `<style`, ` style=`, ` on\w+=`, `(src|href)="(https?:)?//`} {
		if found := regexp.MustCompile(bad).FindString(html); found != "" {
			t.Errorf("the page has %q", found)
		}
	}
	for _, m := range regexp.MustCompile(`(?:src|href)="(static/[^"]*)"`).FindAllStringSubmatch(html, -1) {
		if code, _ := get(t, h, "/"+m[1]); code != 200 {
			t.Errorf("%s is answered %d", m[1], code)
		}
	}
	script := read(t, "page/page.js")
	for _, bad := range []string{`innerHTML`, `outerHTML`, `insertAdjacentHTML`, `document\.write`, `eval\(`, `new Function`, `https?://[^w]`} {
		if found := regexp.MustCompile(bad).FindString(script); found != "" {
			t.Errorf("the script has %q", found)
		}
	}
}

// The table has a row for each object, and its columns are equally long.
func TestRows(t *testing.T) {
	t.Parallel()
	_, text := get(t, handlerOf(Options{}), "/page/rows")
	var c columns
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	const n = 4
	if len(c.Ref) != n || len(c.Key) != n || len(c.Mode) != n || len(c.Owner) != n || len(c.Size) != n || len(c.Use) != n || len(c.Max) != n || len(c.Used) != n || len(c.Class) != n || len(c.Who) != n {
		t.Errorf("the columns are %+v, want %d of each", c, n)
	}
	if c.Ref[3] != "msg:3" || c.Size[3] != 3 || c.Use[3] != 1 || c.Max[3] != 13 || c.Classes[c.Class[3]] != inspect.HasData {
		t.Errorf("the last row is %+v", c)
	}
}

// A page gets a state at once, each later one, and why there is none when the machine does not answer. The stream ends
// with the server.
func TestEvents(t *testing.T) {
	t.Parallel()
	snap, fail := many(1, 3), false
	looks := &Looks{Fresh: 1, take: func(context.Context, *inspect.Options) (*inspect.Snapshot, error) {
		if fail {
			return nil, errors.New("no /proc")
		}
		return snap, nil
	}}
	feed := &Feed{Looks: looks, History: history.New(10), Interval: time.Hour}
	step := func() { // one round of the feed, without its timer
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		_, changed := feed.current()
		go feed.Run(ctx)
		<-changed
	}
	step()
	addr, stop := serving(t, handlerOf(Options{Collector: &Collector{Looks: looks}, Feed: feed}), func(s *http.Server) { s.ReadTimeout = 50 * time.Millisecond })
	resp, err := http.Get("http://" + addr + "/page/states")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	next := func() (s state) {
		t.Helper()
		for lines.Scan() {
			if text, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				if err := json.Unmarshal([]byte(text), &s); err != nil {
					t.Fatal(err)
				}
				return s
			}
		}
		t.Fatalf("the stream ends: %v", lines.Err())
		return s
	}
	first := next()
	if first.Error != "" || first.Rows == "" || first.Messages != 3 {
		t.Errorf("the first state is %+v", first)
	}
	time.Sleep(100 * time.Millisecond) // beyond the time in which a request has to be read
	snap = many(1, 4)
	step()
	if s := next(); s.Messages != 4 || s.Rows == first.Rows {
		t.Errorf("the second state is %+v", s)
	}
	fail = true
	step()
	if s := next(); s.Error != "no /proc" {
		t.Errorf("the third state is %+v", s)
	}
	if err := stop(); err != nil {
		t.Errorf("the server ends with %v", err)
	}
	if lines.Scan(); lines.Scan() {
		t.Errorf("the stream goes on after the server: %q", lines.Text())
	}
}

// What is vendored comes with its licence.
func TestLicence(t *testing.T) {
	t.Parallel()
	if text, err := fs.ReadFile(page, "page/uplot.LICENSE"); err != nil || !strings.Contains(string(text), "MIT License") {
		t.Errorf("uPlot has no licence: %v", err)
	}
}
