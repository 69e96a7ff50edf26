// Bundles src/ into ../iseg_widget/widget/static/ (widget and compare, .js and .css).
import * as esbuild from "esbuild";

const options = {
  entryPoints: [
    { in: "src/index.ts", out: "widget" },
    { in: "src/styles.css", out: "widget" },
    { in: "src/compare/index.ts", out: "compare" },
    { in: "src/compare/styles.css", out: "compare" },
  ],
  outdir: "../iseg_widget/widget/static",
  bundle: true,
  format: "esm",
  target: ["es2022"],
  minify: true,
  legalComments: "none",
  logLevel: "warning",
};

if (process.argv.includes("--watch")) {
  const context = await esbuild.context({ ...options, minify: false, sourcemap: "inline" });
  await context.watch();
} else {
  await esbuild.build(options);
}
