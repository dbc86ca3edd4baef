package diag

import "testing"

// TestWidth counts columns as the Unicode Standard's Annexes 11 and 29 do.
func TestWidth(t *testing.T) {
	for s, want := range map[string]int{"": 0, "abc": 3, "größe": 5, "日本語": 6, "ﾈｺ": 2, "고양이": 6, "e\u0301": 1, "ก\u0e33": 2, "🐈": 2, "…": 1} {
		if got := Width(s); got != want {
			t.Errorf("%q takes %d columns, want %d", s, got, want)
		}
	}
	for _, c := range []struct {
		s          string
		columns    int
		head, rest string
	}{
		{"abc", 2, "ab", "c"},
		{"abc", 9, "abc", ""},
		{"日本語", 5, "日本", "語"},
		{"日本", 1, "日", "本"},
		{"日\u3099本", 1, "日\u3099", "本"},
		{"ae\u0301\u0308b", 2, "ae\u0301\u0308", "b"},
		{"", 3, "", ""},
	} {
		if head, rest := Cut(c.s, c.columns); head != c.head || rest != c.rest {
			t.Errorf("Cut(%q, %d) is %q, %q; want %q, %q", c.s, c.columns, head, rest, c.head, c.rest)
		}
	}
	for _, c := range []struct {
		s       string
		columns int
		want    string
	}{{"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"ab cd", 4, "ab…"}, {"日本語", 6, "日本語"}, {"日本語", 5, "日本…"}, {"日本語", 4, "日…"}, {"e\u0301xyz", 3, "e\u0301x…"}} {
		if got := Shorten(c.s, c.columns); got != c.want || Width(got) > c.columns {
			t.Errorf("Shorten(%q, %d) is %q, want %q", c.s, c.columns, got, c.want)
		}
	}
	if got := Pad("日本", 6); got != "日本  " {
		t.Errorf("%q", got)
	}
}
