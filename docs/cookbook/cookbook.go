// Package cookbook has recipes: what a user of another program meets, the failure as it is reported, and the command that
// says why. Package internal/docs runs them, and "sysvipc recipes" prints them.
package cookbook

import (
	"embed"
	"path"
	"strings"
)

//go:embed *.md
var pages embed.FS

// Recipe is a page in Markdown.
type Recipe struct {
	Name  string // of its file, without .md
	Title string // its first line, without the mark of a heading
	Text  string
}

// All returns the recipes, by name.
func All() []Recipe {
	files, err := pages.ReadDir(".")
	if err != nil {
		panic(err) // the root of what is embedded can be read
	}
	var all []Recipe
	for _, f := range files {
		text, err := pages.ReadFile(f.Name())
		if err != nil {
			panic(err)
		}
		title, _, _ := strings.Cut(string(text), "\n")
		all = append(all, Recipe{Name: strings.TrimSuffix(f.Name(), path.Ext(f.Name())), Title: strings.TrimPrefix(title, "# "), Text: string(text)})
	}
	return all
}
