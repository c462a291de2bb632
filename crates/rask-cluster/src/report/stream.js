const canvas = document.getElementById("stream"), hover = document.getElementById("hover");
const rows = DATA.workers.length, rowHeight = 18;
let from = 0, to = DATA.seconds;
function draw() {
  const ratio = window.devicePixelRatio || 1, width = canvas.clientWidth;
  canvas.width = width * ratio; canvas.height = rows * rowHeight * ratio;
  canvas.style.height = rows * rowHeight + "px";
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  const scale = width / (to - from);
  for (const [row, operation, start, duration] of DATA.tasks) {
    const left = (start - from) * scale, size = Math.max(duration * scale, 0.5);
    if (left + size < 0 || left > width) continue;
    context.fillStyle = DATA.colors[operation];
    context.fillRect(left, row * rowHeight + 1, size, rowHeight - 2);
  }
}
canvas.addEventListener("wheel", event => {
  event.preventDefault();
  const share = event.offsetX / canvas.clientWidth, at = from + share * (to - from);
  const span = Math.min(DATA.seconds, (to - from) * (event.deltaY > 0 ? 1.25 : 0.8));
  from = Math.max(0, at - share * span); to = Math.min(DATA.seconds, from + span); draw();
}, { passive: false });
let dragged = null;
canvas.addEventListener("mousedown", event => { dragged = event.offsetX; });
window.addEventListener("mouseup", () => { dragged = null; });
canvas.addEventListener("dblclick", () => { from = 0; to = DATA.seconds; draw(); });
canvas.addEventListener("mousemove", event => {
  const span = to - from;
  if (dragged !== null) {
    const shift = (dragged - event.offsetX) / canvas.clientWidth * span;
    from = Math.min(Math.max(0, from + shift), DATA.seconds - span); to = from + span;
    dragged = event.offsetX; draw();
  }
  const at = from + event.offsetX / canvas.clientWidth * span;
  const row = Math.floor(event.offsetY / rowHeight), slack = span / canvas.clientWidth;
  const found = DATA.tasks.find(task =>
    task[0] === row && task[2] - slack <= at && at <= task[2] + task[3] + slack);
  hover.textContent = found
    ? `${DATA.operations[found[1]]}: ${(found[3] * 1000).toFixed(3)} ms at ` +
      `${found[2].toFixed(4)} s on ${DATA.workers[row]}`
    : "";
});
window.addEventListener("resize", draw);
draw();
