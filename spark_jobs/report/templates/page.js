"use strict";
// Draws each chart of the page from the rows of its answer. The page's policy allows no eval, so Vega interprets its
// expressions (ast). Tooltips escape what they show.
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const options = {
    ast: true,
    renderer: "svg",
    actions: false,
    defaultStyle: false,
    tooltip: { theme: "custom", disableDefaultStyle: true },
  };
  const draw = async (answers, [name, { spec, rows }]) => {
    const { columns, rows: all } = answers[name];
    const values = rows.map((row) => Object.fromEntries(columns.map((column, at) => [column, all[row][at]])));
    const box = document.getElementById(`chart-${name}`);
    try {
      await vegaEmbed(box.appendChild(document.createElement("div")), { ...spec, data: { values } }, options);
    } catch (error) {
      box.textContent = "This chart could not be drawn. The table has its numbers.";
      console.error(name, error);
    }
  };
  window.drawCharts = async () => {
    const answers = read("answers");
    await Promise.all(Object.entries(read("charts")).map((chart) => draw(answers, chart)));
    document.documentElement.dataset.drawn = "yes";
  };
  document.getElementById("contents").open = matchMedia("(min-width: 75rem)").matches;
  window.drawCharts();
})();
