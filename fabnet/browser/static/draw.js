// Draws a picture with what was read off its face: the box, 68 points and the head's axes.

const LONG_PX = 960; // longer side of the canvas
const AXES = ["#e4572e", "#1b9e77", "#3d78d8"];
const BOX = "#ffffff", POINTS = "#ffeb78", GREY = "#b4b4b4", SHADE = "#000000b0";
const RADIAN = Math.PI / 180;

/** Where the head's x, y and z axes point in the picture: right, down, towards the camera (fabnet/faces/pose.py). */
export function axes(roll, pitch, yaw) {
  const turn = (angle) => [Math.cos(angle * RADIAN), Math.sin(angle * RADIAN)];
  const [cx, sx] = turn(-pitch), [cy, sy] = turn(-yaw), [cz, sz] = turn(roll);
  const rotation = [ // Rx(-pitch) Ry(-yaw) Rz(roll)
    [cy * cz, -cy * sz, sy],
    [sx * sy * cz + cx * sz, -sx * sy * sz + cx * cz, -sx * cy],
    [-cx * sy * cz + sx * sz, cx * sy * sz + sx * cz, cx * cy],
  ];
  return [0, 1, 2].map((axis) => [rotation[0][axis], -rotation[1][axis], rotation[2][axis]]);
}

/** Draws a source (a video, a bitmap or a canvas) of this size on a canvas, and the row of its face if there is one. */
export function draw(canvas, source, width, height, row) {
  const scale = LONG_PX / Math.max(width, height);
  const wide = Math.round(width * scale), high = Math.round(height * scale);
  if (canvas.width !== wide || canvas.height !== high) Object.assign(canvas, { width: wide, height: high });
  const pen = canvas.getContext("2d");
  pen.drawImage(source, 0, 0, wide, high);
  if (!row) return;
  const [x0, y0, x1, y1] = row.box_px.map((value) => value * scale);
  const side = Math.sqrt((x1 - x0) * (y1 - y0)), thin = Math.max(side / 150, 1.5);

  const lined = (colour, width_px, trace) => {
    for (const [style, width] of [[SHADE, width_px + 2], [colour, width_px]]) {
      Object.assign(pen, { strokeStyle: style, lineWidth: width, lineCap: "round", lineJoin: "round" });
      pen.beginPath();
      trace();
      pen.stroke();
    }
  };
  lined(row.in_range ? BOX : GREY, thin, () => pen.rect(x0, y0, x1 - x0, y1 - y0));

  const points = row.landmarks68_px.map((value) => value * scale);
  Object.assign(pen, { fillStyle: row.in_range ? POINTS : GREY, strokeStyle: SHADE, lineWidth: 1 });
  let middleX = 0, middleY = 0;
  for (let at = 0; at < points.length; at += 2) {
    middleX += (2 * points[at]) / points.length; middleY += (2 * points[at + 1]) / points.length;
    pen.beginPath();
    pen.arc(points[at], points[at + 1], Math.max(side / 100, 1.5), 0, 2 * Math.PI);
    pen.stroke();
    pen.fill();
  }
  const ends = axes(row.pose_roll_deg, row.pose_pitch_deg, row.pose_yaw_deg).map((end, axis) => ({ end, colour: AXES[axis] }));
  for (const { end, colour } of ends.sort((one, other) => one.end[2] - other.end[2])) { // those that point away first
    lined(row.in_range ? colour : GREY, Math.max(side / 60, 2), () => {
      pen.moveTo(middleX, middleY);
      pen.lineTo(middleX + (end[0] * side) / 2, middleY + (end[1] * side) / 2);
    });
  }
}
