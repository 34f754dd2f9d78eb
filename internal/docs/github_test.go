package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestGitHub: the workflow has a job for each step that .ci/run makes by default, and the form for bugs asks for what doctor says.
func TestGitHub(t *testing.T) {
	t.Parallel()
	read := func(file string, into any) {
		t.Helper()
		text, err := os.ReadFile(filepath.Join("../..", file))
		if err == nil {
			err = yaml.Unmarshal(text, into)
		}
		if err != nil {
			t.Fatal(file, err)
		}
	}
	var workflow struct {
		Jobs struct {
			Check struct {
				Strategy struct{ Matrix struct{ Step []string } }
				Steps    []struct{ Run string }
			}
		}
	}
	read(".github/workflows/check.yml", &workflow)
	check, err := os.ReadFile("../../.ci/run")
	if err != nil {
		t.Fatal(err)
	}
	steps := regexp.MustCompile(`steps=\(install (.*)\)`).FindSubmatch(check)
	job := workflow.Jobs.Check
	if steps == nil || !slices.Equal(job.Strategy.Matrix.Step, strings.Fields(string(steps[1]))) {
		t.Errorf("the workflow has the steps %q, and .ci/run %q", job.Strategy.Matrix.Step, steps)
	}
	if last := job.Steps[len(job.Steps)-1].Run; last != ".ci/run install ${{ matrix.step }}" {
		t.Errorf("the last step runs %q", last)
	}
	var form struct {
		Name, Description string
		Body              []struct {
			Type, ID   string
			Attributes struct{ Label string }
		}
	}
	read(".github/ISSUE_TEMPLATE/bug.yml", &form)
	asked := false
	for _, b := range form.Body {
		asked = asked || b.Type == "textarea" && strings.Contains(b.Attributes.Label, "sysvipc doctor -o json")
	}
	if form.Name == "" || form.Description == "" || !asked {
		t.Errorf("the form has not all it needs: %+v", form)
	}
	read(".github/ISSUE_TEMPLATE/config.yml", &map[string]any{})
}
