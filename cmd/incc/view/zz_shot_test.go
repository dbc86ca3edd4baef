package view
import ("testing";"os";"strings";"strconv")
func TestZZ(t *testing.T) {
	spec := os.Getenv("SHOTS") // url|tab|scheme|w|h|js|name;...
	if spec == "" { t.Skip() }
	b := chromium(t)
	for _, s := range strings.Split(spec, ";") {
		f := strings.Split(s, "|")
		w,_ := strconv.Atoi(f[3]); h,_ := strconv.Atoi(f[4])
		b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": w, "height": h, "deviceScaleFactor": 1, "mobile": w<500}, nil)
		b.call("Emulation.setEmulatedMedia", map[string]any{"features": []any{map[string]any{"name":"prefers-color-scheme","value":f[2]}}}, nil)
		b.open(f[0])
		b.wait(`document.readyState === "complete" && document.getElementById("tab-`+f[1]+`") && document.querySelector("nav button[aria-selected=true]")`)
		b.eval(`document.getElementById("tab-`+f[1]+`").click()`)
		b.eval(`new Promise(r => setTimeout(r, 500))`)
		if f[5] != "" { t.Log(b.eval(f[5])); b.eval(`new Promise(r => setTimeout(r, 600))`) }
		b.screenshot(f[6])
	}
	b.quiet("file:")
}
