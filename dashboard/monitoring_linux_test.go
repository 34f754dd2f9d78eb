package dashboard

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// Each alert fires, and is silent just below what it is for.
func TestRules(t *testing.T) {
	t.Parallel()
	promtool := needPromtool(t)
	for _, args := range [][]string{{"check", "rules", "rules.yml"}, {"test", "rules", "rules_test.yml"}} {
		cmd := exec.Command(promtool, args...)
		cmd.Dir = "monitoring"
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %q: %v\n%s", args, err, out)
		}
	}
	rules, tests := read(t, "monitoring/rules.yml"), read(t, "monitoring/rules_test.yml")
	for _, m := range regexp.MustCompile(`alert: (\w+)`).FindAllStringSubmatch(rules, -1) {
		name := strings.TrimPrefix(m[1], "Sysvipc")
		for _, part := range []string{`instance="fires-` + name + `"`, `instance="quiet-` + name + `"`, `- expr: ALERTS{alertname="` + m[1] + `", alertstate="firing", instance=~".*-` + name + `"}`} {
			if !strings.Contains(tests, part) {
				t.Errorf("the tests of %s have no %s", m[1], part)
			}
		}
	}
}

// Each expression of the rules and of the board is of metrics that a scrape has.
func TestMetricsOfRulesAndBoard(t *testing.T) {
	t.Parallel()
	h := handlerOf(Options{}) // of a machine with objects: without any there are no owners
	there := map[string]bool{"sysvipc:limit_used:ratio": true}
	for name := range scrape(t, h) {
		name, _, _ = strings.Cut(name, "{")
		there[name] = true
	}
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, "monitoring/board.json")), &board); err != nil {
		t.Fatal(err)
	}
	exprs := map[string]string{}
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			exprs[target.Expr] = p.Title
		}
	}
	for _, m := range regexp.MustCompile(`expr: (.*)`).FindAllStringSubmatch(read(t, "monitoring/rules.yml"), -1) {
		exprs[m[1]] = "rules.yml"
	}
	if len(exprs) < 30 {
		t.Errorf("only %d expressions were found", len(exprs))
	}
	names := regexp.MustCompile(`sysvipc[a-z_:]+`)
	for expr, where := range exprs {
		all := names.FindAllString(expr, -1)
		if len(all) == 0 {
			t.Errorf("%s: %q names no metric", where, expr)
		}
		for _, name := range all {
			if !there[name] {
				t.Errorf("%s: %q is of %s, which no scrape has", where, expr, name)
			}
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
