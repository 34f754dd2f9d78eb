package dashboard

import (
	"context"
	"encoding/json"
	"math"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/history"
)

// browser is a page in a real Chromium, with what it complains of and what it asks for.
type browser struct {
	context.Context
	t          *testing.T
	mu         sync.Mutex
	complaints []string
	elsewhere  []string
}

// newBrowser starts a Chromium, or skips where there is none.
func newBrowser(t *testing.T, origin string) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("needs Debian's package chromium")
	}
	// Its temporary files are the test's, since it leaves them when it is killed. It has a process group of its own, so that
	// all of it can be ended before they are removed.
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()), chromedp.Env("TMPDIR="+t.TempDir()),
		chromedp.ModifyCmdFunc(func(cmd *exec.Cmd) {
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
		}))
	ctx, end := chromedp.NewExecAllocator(context.Background(), opts...)
	ctx, cancel := chromedp.NewContext(ctx, chromedp.WithErrorf(t.Logf)) // a Chromium that is newer than the protocol here is logged
	group := 0
	t.Cleanup(func() {
		chromedp.Cancel(ctx) // and wait for it
		cancel()
		end()
		if group == 0 {
			return
		}
		for deadline := time.Now().Add(30 * time.Second); syscall.Kill(-group, syscall.SIGKILL) != syscall.ESRCH; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Error("processes of Chromium are left")
				return
			}
		}
	})
	b := &browser{Context: ctx, t: t}
	chromedp.ListenTarget(ctx, func(event any) {
		b.mu.Lock()
		defer b.mu.Unlock()
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			b.complaints = append(b.complaints, e.ExceptionDetails.Error())
		case *log.EventEntryAdded:
			if !strings.Contains(e.Entry.Text, "ERR_CONNECTION_REFUSED") && !strings.Contains(e.Entry.Text, "ERR_INCOMPLETE_CHUNKED") { // the server is away
				b.complaints = append(b.complaints, e.Entry.Text+" "+e.Entry.URL)
			}
		case *network.EventRequestWillBeSent:
			if !strings.HasPrefix(e.Request.URL, origin+"/") {
				b.elsewhere = append(b.elsewhere, e.Request.URL)
			}
		}
	})
	if err := chromedp.Run(ctx); err != nil { // the browser lives as long as the context of its first action
		t.Fatal(err)
	}
	group = chromedp.FromContext(ctx).Browser.Process().Pid
	return b
}

// do runs actions; what takes too long fails the test.
func (b *browser) do(actions ...chromedp.Action) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b, 3*time.Minute)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// until waits until an expression of JavaScript is true: on a busy machine a look may be 30 s after the one before.
func (b *browser) until(expr string) {
	b.t.Helper()
	b.do(chromedp.Poll(expr, nil, chromedp.WithPollingInterval(20*time.Millisecond), chromedp.WithPollingTimeout(2*time.Minute)))
}

// eval is the value of an expression.
func (b *browser) eval(expr string) (v any) {
	b.t.Helper()
	b.do(chromedp.Evaluate(expr, &v))
	return v
}

// hostile is a name of a program that would be code, or turn the text around it, if a page let it.
const hostile = "<img src=x onerror=alert(1)>\u202e\x1b[31m"

// crowd is a machine with as many objects as the kernel lets it have, one of them with a hostile user.
func crowd(n int) *inspect.Snapshot {
	snap := &inspect.Snapshot{Time: time.Now(), Complete: false, Warnings: []string{"this user may not see " + hostile}}
	for i := range n {
		kind := sysvipc.KindSegment + sysvipc.Kind(i%3)
		o := inspect.Object{Object: sysvipc.Object{Kind: kind, ID: i, Mode: 0o600, UID: i % 5}, Verdict: inspect.Verdict{Class: classes[i%len(classes)], Reasons: []string{"because"}}}
		if o.Verdict.Class == inspect.Protected {
			o.Product = &inspect.Product{Name: "Product", Sign: "a sign", Tool: "its own tool"}
		}
		switch kind {
		case sysvipc.KindSegment:
			o.Segment = &sysvipc.SegmentStat{Object: o.Object, Size: int64(i) * 1000, Resident: 0, SwappedOut: 0}
		case sysvipc.KindSemaphores:
			o.Set = &sysvipc.SemaphoreSetStat{Object: o.Object, Len: 2}
			o.Semaphores = []inspect.Semaphore{{Value: 4711}, {Value: 0}}
		default:
			o.Queue = &sysvipc.QueueStat{Object: o.Object, Messages: 3, Bytes: 30, MaxBytes: 100}
		}
		snap.Objects = append(snap.Objects, o)
	}
	p := &inspect.Process{PID: 4242, Comm: hostile, UID: 0}
	snap.Objects[1].Users = []inspect.User{{PID: 4242, Role: inspect.Operator, Status: inspect.Alive, Process: p}}
	snap.Waits = []inspect.Wait{{PID: 4242, TID: 4242, Process: p, Kind: sysvipc.KindSemaphores, ID: 1, Operation: inspect.Operate, Semaphore: 1, Ops: []inspect.SemaphoreOp{{Index: 1, Delta: -1}}}}
	return snap
}

// A user looks, filters, opens, goes back, by keyboard alone too, in both themes, on a telephone and on a large screen;
// the machine stops to answer; the server is killed and comes back. Nothing is asked for elsewhere, and nothing
// that another program wrote becomes code.
func TestBrowser(t *testing.T) {
	t.Parallel()
	const n = 43_900
	var mu sync.Mutex
	snap, failure := crowd(n), error(nil)
	looks := &Looks{Fresh: 1, take: func(context.Context, *inspect.Options) (*inspect.Snapshot, error) {
		mu.Lock()
		defer mu.Unlock()
		return snap, failure
	}}
	feed := &Feed{Looks: looks, History: history.New(100), Interval: 200 * time.Millisecond}
	looks.Happened = feed.Note
	go feed.Run(t.Context())
	h := handlerOf(Options{Collector: &Collector{Looks: looks}, Feed: feed})
	addr, stop := serving(t, h, nil)
	origin := "http://" + addr
	b := newBrowser(t, origin)

	b.do(chromedp.EmulateViewport(1440, 1000), chromedp.Navigate(origin+"/"))
	b.until(`document.querySelectorAll("#rows .row").length > 5`)
	if got := b.eval(`$("count").textContent`); got != "43,900" {
		t.Errorf("the page counts %v objects", got)
	}
	if got := b.eval(`document.querySelectorAll("#rows .row").length`).(float64); got > 100 {
		t.Errorf("%v rows are in the document", got)
	}
	if got := b.eval(`document.querySelectorAll("img").length + document.querySelectorAll("script:not([src])").length`); got != 0.0 {
		t.Error("a name has become an element")
	}
	if got, _ := b.eval(`$("graph").textContent`).(string); !strings.Contains(got, "<img") || strings.ContainsAny(got, "\u202e\x1b") {
		t.Errorf("the waits show %q", got)
	}
	if got := b.eval(`$("findings").textContent`); !strings.Contains(got.(string), "Not everything could be seen") {
		t.Errorf("the page does not say what it has not seen: %v", got)
	}

	// By keyboard alone.
	slash := input.DispatchKeyEvent(input.KeyDown).WithKey("/").WithText("/") // one event, as of a keyboard, whose text the page can refuse
	b.do(slash, chromedp.KeyEvent("type=sem verdict=protected owner=root"))
	b.until(`table.shown.length > 0 && table.shown.length < 5000`)
	b.do(chromedp.KeyEvent(kb.Enter), chromedp.KeyEvent("j"), chromedp.KeyEvent(kb.Enter))
	b.until(`!$("detail").hidden && $("detail").textContent.includes("4711") && $("detail").textContent.includes("its own tool")`)
	deep, _ := b.eval(`location.href`).(string)
	if !strings.Contains(deep, "object=sem:") || !strings.Contains(deep, "filter=type=sem") {
		t.Errorf("the address is %s", deep)
	}
	b.do(chromedp.KeyEvent(kb.Escape))
	b.until(`$("detail").hidden`)

	// A link to it opens it; the way back closes it.
	b.do(chromedp.Navigate("about:blank"), chromedp.Navigate(deep))
	b.until(`!$("detail").hidden && table.shown.length > 0 && table.shown.length < 5000`)
	b.do(chromedp.Evaluate(`closeDetail(); setFilter(""); open("shm:0"); history.back()`, nil))
	b.until(`$("detail").hidden`)

	// Sorted by size, then to the end.
	b.do(chromedp.Click(`//div[@id="head"]//button[text()="Size"]`, chromedp.BySearch))
	b.until(`place.sort === "size"`)
	b.do(chromedp.Focus("#rows"), chromedp.KeyEvent(kb.End))
	b.until(`table.nodes.has(43899) && table.nodes.get(43899).textContent.includes("MiB")`)
	b.do(chromedp.Evaluate(`setFilter("size>lots")`, nil))
	b.until(`!$("filter-error").hidden && $("filter-error").textContent.includes("write a number")`)
	b.do(chromedp.Evaluate(`setFilter("")`, nil))

	mu.Lock()
	snap = crowd(300) // looks are the further apart the longer they take
	mu.Unlock()
	b.until(`$("count").textContent === "300"`)

	// Events: a reader who has scrolled, or has the focus in them, keeps the place when more happens; findings alone can be shown.
	b.until(`$("log").children.length > 100`)
	b.do(chromedp.Evaluate(`$("log").scrollTop = 1000; var stays = $("log").querySelectorAll("button")[50]; stays.focus({preventScroll: true})`, nil))
	was := b.eval(`stays.getBoundingClientRect().top - $("log").getBoundingClientRect().top`)
	mu.Lock()
	snap = crowd(301)
	mu.Unlock()
	b.until(`$("log").firstChild.textContent.includes("made") && $("log").firstChild.textContent.includes("shm:300")`)
	if at := b.eval(`stays.getBoundingClientRect().top - $("log").getBoundingClientRect().top`); math.Abs(at.(float64)-was.(float64)) > 2 || b.eval(`document.activeElement === stays`) != true {
		t.Errorf("an event was at %v, and is at %v, with the focus at %v", was, at, b.eval(`document.activeElement.textContent`))
	}
	b.do(chromedp.Click(`//div[@id="kinds"]//button[text()="findings"]`, chromedp.BySearch))
	b.until(`$("log").children.length > 0 && [...$("log").children].every((e) => e.querySelector(".found, .solved"))`)
	b.do(chromedp.Evaluate(`goTo({events: ""}); loadEvents()`, nil))

	// Both themes, from a telephone to a large screen.
	dark := b.eval(`getComputedStyle(document.body).backgroundColor`)
	b.do(chromedp.KeyEvent("t"))
	if again := b.eval(`getComputedStyle(document.body).backgroundColor`); again == dark {
		t.Errorf("both themes are %v", dark)
	}
	for _, width := range []int64{375, 768, 1920} {
		b.do(emulation.SetDeviceMetricsOverride(width, 900, 1, width < 600))
		b.until(`innerWidth === ` + strconv.FormatInt(width, 10))
		if got := b.eval(`document.documentElement.scrollWidth`); got != float64(width) {
			t.Errorf("at %d pixels the page is %v wide", width, got)
		}
	}

	// The slider shows another moment.
	b.until(`past && past.time.length > 2`)
	b.do(chromedp.Evaluate(`$("then").value = 0; $("then").dispatchEvent(new Event("input"))`, nil))
	if got := b.eval(`$("moment").textContent`); got == "now" || got == "" {
		t.Errorf("the first moment is %q", got)
	}

	mu.Lock()
	failure = context.DeadlineExceeded
	mu.Unlock()
	b.until(`!$("banner").hidden && $("banner").textContent.includes("Nothing new can be seen")`)
	mu.Lock()
	failure, snap = nil, crowd(7)
	mu.Unlock()
	b.until(`$("banner").hidden && $("count").textContent === "7"`)

	if err := stop(); err != nil {
		t.Fatal(err)
	}
	b.until(`!$("banner").hidden && $("banner").textContent.includes("No connection")`)
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, NewServer(h), ln) }()
	b.until(`$("banner").hidden`)
	cancel()
	<-ended

	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.complaints) > 0 || len(b.elsewhere) > 0 {
		t.Errorf("the browser complains of %q, and asks elsewhere for %q", b.complaints, b.elsewhere)
	}
}

// The page asks for the token, sends it in a header, and shows nothing before.
func TestBrowserToken(t *testing.T) {
	t.Parallel()
	const token = "0123456789abcdef"
	looks := &Looks{take: func(context.Context, *inspect.Options) (*inspect.Snapshot, error) { return crowd(7), nil }}
	feed := &Feed{Looks: looks, History: history.New(10), Interval: time.Hour}
	go feed.Run(t.Context())
	var urls []string
	var mu sync.Mutex
	h := handlerOf(Options{Collector: &Collector{Looks: looks}, Feed: feed, Token: token})
	addr, _ := serving(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		urls = append(urls, r.RequestURI)
		mu.Unlock()
		h.ServeHTTP(w, r)
	}), nil)
	b := newBrowser(t, "http://"+addr)
	b.do(chromedp.Navigate("http://" + addr + "/"))
	b.until(`!$("login").hidden`)
	b.do(chromedp.SendKeys("#token", token+kb.Enter))
	b.until(`$("login").hidden && table.shown.length === 7`)
	mu.Lock()
	defer mu.Unlock()
	if all, _ := json.Marshal(urls); strings.Contains(string(all), token) {
		t.Errorf("the token is in an address: %s", all)
	}
}
