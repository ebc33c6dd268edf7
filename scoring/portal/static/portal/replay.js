/* The replay page: draws a film (docs/PORTAL.md) with three.js. The page works without it: pictures and moments are in the table. */
import * as THREE from "./three_0_184_0/three.module.min.js";

const root = document.getElementById("replay");
const $ = (name) => document.getElementById(name);
const TYPES = { i2: Int16Array, u2: Uint16Array, u4: Uint32Array, i4: Int32Array, f4: Float32Array };
const calm = window.matchMedia("(prefers-reduced-motion: reduce)");

function say(text) {
  $("told").textContent = text;
}

function clock(tick) {
  const tenths = Math.floor(tick / 10);
  return `${Math.floor(tenths / 600)}:${String(Math.floor(tenths / 10) % 60).padStart(2, "0")}.${tenths % 10}`;
}

/* Numbers of scene.bin: an array, and points in mm from the target. */
class Numbers {
  constructor(buffer, step) {
    this.buffer = buffer;
    this.step = step;
  }
  array(where) {
    return new TYPES[where.type](this.buffer, where.at, where.n);
  }
  points(where) {
    const whole = this.array(where);
    const out = new Float32Array(whole.length);
    for (let i = 0; i < whole.length; i++) out[i] = whole[i] === -32768 ? NaN : whole[i] * this.step;
    return out;
  }
}

/* Index of the last tick that is not after `tick`, -1 before the first. */
function at(ticks, tick) {
  let low = -1;
  let high = ticks.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (ticks[middle] <= tick) low = middle;
    else high = middle;
  }
  return low;
}

/* A tube along points (flat array), as one mesh whose geometry is made anew when it moves. */
function rod(material) {
  const mesh = new THREE.Mesh(new THREE.BufferGeometry(), material);
  mesh.shape = (points, radius) => {
    mesh.geometry.dispose();
    const nodes = [];
    for (let i = 0; i < points.length; i += 3) nodes.push(new THREE.Vector3(points[i], points[i + 1], points[i + 2]));
    mesh.geometry = new THREE.TubeGeometry(new THREE.CatmullRomCurve3(nodes), nodes.length * 3, radius, 8, false);
    mesh.visible = true;
  };
  mesh.visible = false;
  return mesh;
}

function sphere(radius, colour) {
  return new THREE.Mesh(new THREE.SphereGeometry(radius, 16, 12), new THREE.MeshStandardMaterial({ color: colour, roughness: 0.6 }));
}

/* The C-arm: tube, detector, half a ring between them, and the edges of the beam. A pose turns the whole group. */
class Arm {
  constructor(side) {
    this.group = new THREE.Group();
    const grey = new THREE.MeshStandardMaterial({ color: 0x8894a0, roughness: 0.5, metalness: 0.3 });
    this.ring = new THREE.Mesh(new THREE.BufferGeometry(), grey);
    this.tube = new THREE.Mesh(new THREE.BoxGeometry(150, 150, 170), grey);
    this.plate = new THREE.Mesh(new THREE.CylinderGeometry(side * 0.62, side * 0.62, 60, 40), grey);
    this.beam = new THREE.LineSegments(new THREE.BufferGeometry(), new THREE.LineBasicMaterial({ color: 0xd07000 }));
    this.beam.geometry.setAttribute("position", new THREE.BufferAttribute(new Float32Array(48), 3));
    this.beam.frustumCulled = false;
    this.group.add(this.ring, this.tube, this.plate, this.beam);
    this.side = side;
    this.reach = 0;
  }
  pose(values, origin) {
    const v = (i) => new THREE.Vector3(values[i] - (i < 6 ? origin[0] : 0), values[i + 1] - (i < 6 ? origin[1] : 0), values[i + 2] - (i < 6 ? origin[2] : 0));
    const [source, detector, right, up] = [v(0), v(3), v(6).normalize(), v(9).normalize()];
    const normal = detector.clone().sub(source);
    const reach = normal.length();
    normal.normalize();
    const turn = new THREE.Quaternion().setFromRotationMatrix(new THREE.Matrix4().makeBasis(right, normal, right.clone().cross(normal)));
    const middle = source.clone().add(detector).multiplyScalar(0.5);
    for (const part of [this.tube, this.plate, this.ring]) part.quaternion.copy(turn);
    this.tube.position.copy(source).addScaledVector(normal, -70);
    this.plate.position.copy(detector).addScaledVector(normal, 34);
    this.ring.position.copy(middle);
    if (Math.abs(reach - this.reach) > 1) {
      this.ring.geometry.dispose();
      this.ring.geometry = new THREE.TorusGeometry(reach / 2 + 60, 28, 10, 48, Math.PI).rotateZ(Math.PI / 2);
      this.reach = reach;
    }
    const line = [];
    const corners = [[-1, -1], [1, -1], [1, 1], [-1, 1]].map(([x, y]) =>
      detector.clone().addScaledVector(right, (x * this.side) / 2).addScaledVector(up, (y * this.side) / 2));
    corners.forEach((corner, n) => line.push(source, corner, corner, corners[(n + 1) % 4]));
    const place = this.beam.geometry.attributes.position;
    line.forEach((point, n) => place.setXYZ(n, point.x, point.y, point.z));
    place.needsUpdate = true;
    this.look = { source, detector, up };
  }
}

class Room {
  constructor(film, buffer, canvas) {
    this.film = film;
    this.numbers = new Numbers(buffer, film.step_mm);
    this.renderer = new THREE.WebGLRenderer({ canvas, antialias: true });
    this.scene = new THREE.Scene();
    this.scene.background = new THREE.Color(0x20262c);
    this.camera = new THREE.PerspectiveCamera(35, 1, 5, 6000);
    this.camera.up.set(0, 0, 1);
    this.scene.add(new THREE.HemisphereLight(0xffffff, 0x666a70, 2.2));
    this.lamp = new THREE.DirectionalLight(0xffffff, 1.6);
    this.scene.add(this.lamp);
    this.layers = {};
    for (const name of ["skin", "bone", "sac", "nerves", "vessels", "needle", "plan", "contrast", "arm"]) {
      this.layers[name] = new THREE.Group();
      this.scene.add(this.layers[name]);
    }
    this.surfaces();
    this.planned();
    this.devices();
    this.orbit = { turn: 25, tilt: 15, far: 380 };
    this.tick = 0;
  }

  surfaces() {
    this.paint = {};
    for (const one of this.film.meshes) {
      const shape = new THREE.BufferGeometry();
      shape.setAttribute("position", new THREE.BufferAttribute(this.numbers.points(one.vertices), 3));
      shape.setIndex(new THREE.BufferAttribute(this.numbers.array(one.faces), 1));
      shape.computeVertexNormals();
      const key = `${one.layer} ${one.colour}`;
      this.paint[key] ??= new THREE.MeshStandardMaterial({
        color: new THREE.Color(...one.colour.map((c) => c / 255)).convertSRGBToLinear(), roughness: 0.75, side: THREE.DoubleSide,
      });
      this.paint[key].layer = one.layer;
      const mesh = new THREE.Mesh(shape, this.paint[key]);
      mesh.renderOrder = one.layer === "skin" ? 3 : one.layer === "bone" ? 2 : one.layer === "sac" ? 1 : 0;
      this.layers[one.layer].add(mesh);
    }
  }

  planned() {
    const origin = this.film.origin_mm;
    const near = (p) => new THREE.Vector3(p[0] - origin[0], p[1] - origin[1], p[2] - origin[2]);
    for (const goal of this.film.plan.goals) {
      const mark = sphere(1.6, 0x2fbf4f);
      mark.position.copy(near(goal.mm));
      this.layers.plan.add(mark);
    }
    for (const [from, to] of this.film.plan.ways) {
      const way = new THREE.Mesh(
        new THREE.TubeGeometry(new THREE.LineCurve3(near(from), near(to)), 1, 0.8, 8),
        new THREE.MeshStandardMaterial({ color: 0x2fbf4f, transparent: true, opacity: 0.7 }),
      );
      this.layers.plan.add(way);
    }
  }

  devices() {
    const { shaft, arm } = this.film;
    this.shaft = { ticks: this.numbers.array(shaft.ticks), values: this.numbers.points(shaft.values), per: 3 * shaft.nodes };
    this.arm = { ticks: this.numbers.array(arm.ticks), values: this.numbers.array(arm.values), per: 14 };
    this.needle = rod(new THREE.MeshStandardMaterial({ color: 0xf4f6f8, roughness: 0.3, metalness: 0.4 }));
    this.tip = sphere(1.1, 0xff3b30);
    this.trail = new THREE.LineSegments(new THREE.BufferGeometry(), new THREE.LineBasicMaterial({ color: 0xff3b30 }));
    this.trail.frustumCulled = false;
    this.layers.needle.add(this.needle, this.tip, this.trail);
    this.machine = new Arm(this.film.side_mm);
    this.layers.arm.add(this.machine.group);
    this.blobs = this.film.contrast.map((one) => {
      const group = new THREE.Group();
      const shape = new THREE.BufferGeometry();
      shape.setAttribute("position", new THREE.BufferAttribute(this.numbers.points(one.points), 3));
      group.add(new THREE.Points(shape, new THREE.PointsMaterial({ color: 0x5ad1ff, size: 1.6 })));
      for (const wire of one.wires) {
        const lead = rod(new THREE.MeshStandardMaterial({ color: 0xffd24a, metalness: 0.3 }));
        lead.shape(this.numbers.points(wire.nodes), Math.max(0.5, wire.mm / 2));
        group.add(lead);
      }
      group.visible = false;
      this.layers.contrast.add(group);
      return group;
    });
  }

  /* Skin to bone: 0 skin whole, 50 skin gone, 100 bone nearly gone. */
  depth(value) {
    const skin = Math.max(0, 1 - value / 50);
    const bone = Math.min(1, Math.max(0.12, 1.9 - value / 55));
    for (const paint of Object.values(this.paint)) {
      const opacity = paint.layer === "skin" ? skin : paint.layer === "bone" ? bone : paint.layer === "sac" ? 0.75 : 1;
      paint.opacity = opacity;
      paint.transparent = opacity < 1;
      paint.depthWrite = opacity > 0.6;
      paint.visible = opacity > 0.01;
      paint.needsUpdate = true;
    }
  }

  goto(tick) {
    this.tick = tick;
    this.moveNeedle(tick);
    const pose = at(this.arm.ticks, tick);
    if (pose >= 0) this.machine.pose(this.arm.values.subarray(pose * 14, pose * 14 + 14), this.film.origin_mm);
    this.machine.group.visible = pose >= 0;
    let last = -1;
    this.film.contrast.forEach((one, n) => { if (one.tick <= tick) last = n; });
    this.blobs.forEach((group, n) => { group.visible = n === last; });
    this.draw();
  }

  moveNeedle(tick) {
    const { ticks, values, per } = this.shaft;
    const now = at(ticks, tick);
    const here = now >= 0 ? values.subarray(now * per, now * per + per) : null;
    const there = here !== null && !Number.isNaN(here[0]);
    this.needle.visible = this.tip.visible = there;
    if (there) {
      this.needle.shape(here, 0.7);
      this.tip.position.set(here[per - 3], here[per - 2], here[per - 1]);
    }
    const path = [];
    for (let end = 2 * per; end <= (now + 1) * per; end += per) {
      if (Number.isNaN(values[end - 1]) || Number.isNaN(values[end - per - 1])) continue; // the needle was out in between
      for (const tip of [end - per, end]) path.push(new THREE.Vector3(values[tip - 3], values[tip - 2], values[tip - 1]));
    }
    this.trail.geometry.dispose();
    this.trail.geometry = new THREE.BufferGeometry().setFromPoints(path);
    this.trail.visible = path.length > 1;
    this.tipDistance = there ? Math.min(...this.film.plan.goals.map((g) => Math.hypot(
      ...[0, 1, 2].map((i) => this.tip.position.getComponent(i) + this.film.origin_mm[i] - g.mm[i])))) : null;
  }

  angles() {
    const pose = at(this.arm.ticks, this.tick);
    return pose < 0 ? null : [this.arm.values[pose * 14 + 12], this.arm.values[pose * 14 + 13]];
  }

  draw() {
    const { turn, tilt, far } = this.orbit;
    const [a, b] = [(turn * Math.PI) / 180, (tilt * Math.PI) / 180];
    if (this.along && this.machine.look) {
      const { source, detector, up } = this.machine.look;
      this.camera.position.copy(detector).sub(source).normalize().multiplyScalar(far);
      this.camera.up.copy(up);
      this.machine.group.visible = false;
    } else {
      this.camera.position.set(far * Math.sin(a) * Math.cos(b), far * Math.cos(a) * Math.cos(b), far * Math.sin(b));
      this.camera.up.set(0, 0, 1);
      this.machine.group.visible = at(this.arm.ticks, this.tick) >= 0;
    }
    this.camera.lookAt(0, 0, 0);
    this.lamp.position.copy(this.camera.position);
    this.renderer.render(this.scene, this.camera);
  }

  size() {
    const box = this.renderer.domElement.parentElement;
    const [wide, high] = [box.clientWidth, Math.max(240, Math.min(box.clientWidth * 0.72, window.innerHeight * 0.7))];
    this.renderer.setPixelRatio(Math.min(2, window.devicePixelRatio));
    this.renderer.setSize(wide, high);
    this.camera.aspect = wide / high;
    this.camera.updateProjectionMatrix();
    this.draw();
  }
}

/* The page's controls: every one is a native button, slider or check box. */
class Player {
  constructor(room, film) {
    this.room = room;
    this.film = film;
    this.rows = [...document.querySelectorAll("[data-tick]")];
    this.shown = -2;
    this.stop = null;
    $("time").max = film.last_tick;
    $("time").addEventListener("input", () => this.goto(Number($("time").value)));
    $("play").addEventListener("click", () => (this.stop ? this.pause() : this.play()));
    $("before").addEventListener("click", () => this.step(-1));
    $("after").addEventListener("click", () => this.step(1));
    $("depth").addEventListener("input", () => { this.depth(); room.draw(); });
    for (const box of document.querySelectorAll("[data-layer]")) {
      const turn = () => { for (const name of box.dataset.layer.split(" ")) room.layers[name].visible = box.checked; };
      box.addEventListener("change", () => { turn(); room.draw(); });
      turn();
    }
    for (const button of document.querySelectorAll("[data-view]")) button.addEventListener("click", () => this.view(button.dataset.view));
    for (const button of document.querySelectorAll("button[data-tick]")) {
      button.addEventListener("click", () => { this.pause(); this.goto(Number(button.dataset.tick), true); $("stage").scrollIntoView({ block: "nearest" }); });
    }
    this.hands($("stage"));
    window.addEventListener("resize", () => room.size());
    this.depth();
    this.goto(Number(root.dataset.start || 0));
  }

  depth() {
    const value = Number($("depth").value);
    this.room.depth(value);
    $("depth").setAttribute("aria-valuetext", value < 15 ? "skin" : value < 50 ? "through the skin" : value < 80 ? "bone" : "through the bone");
  }

  view(name) {
    const places = { back: [0, 0], left: [90, 0], right: [-90, 0], head: [0, 89], slant: [25, 15] };
    if (name === "beam" || places[name]) this.room.along = name === "beam";
    if (places[name]) [this.room.orbit.turn, this.room.orbit.tilt] = places[name];
    if (name === "closer" || name === "farther") this.zoom(name === "closer" ? 0.8 : 1.25);
    this.room.draw();
  }

  zoom(by) {
    this.room.orbit.far = Math.min(3500, Math.max(60, this.room.orbit.far * by));
  }

  turn(x, y) {
    const orbit = this.room.orbit;
    this.room.along = false;
    orbit.turn = (orbit.turn + x + 540) % 360 - 180;
    orbit.tilt = Math.min(89, Math.max(-89, orbit.tilt + y));
  }

  hands(stage) {
    const keys = { ArrowLeft: [-5, 0], ArrowRight: [5, 0], ArrowUp: [0, 5], ArrowDown: [0, -5] };
    stage.addEventListener("keydown", (event) => {
      if (keys[event.key]) this.turn(...keys[event.key]);
      else if (event.key === "+" || event.key === "=") this.zoom(0.85);
      else if (event.key === "-") this.zoom(1.18);
      else return;
      event.preventDefault();
      this.room.draw();
    });
    stage.addEventListener("pointerdown", (event) => stage.setPointerCapture(event.pointerId));
    stage.addEventListener("pointermove", (event) => {
      if (!stage.hasPointerCapture(event.pointerId)) return;
      this.turn(-event.movementX * 0.4, event.movementY * 0.4);
      this.room.draw();
    });
    stage.addEventListener("wheel", (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      this.zoom(event.deltaY > 0 ? 1.1 : 0.9);
      this.room.draw();
    }, { passive: false });
  }

  goto(tick, spoken = false) {
    tick = Math.min(this.film.last_tick, Math.max(0, Math.round(tick)));
    this.tick = tick;
    this.room.goto(tick);
    $("time").value = tick;
    const picture = at(this.film.pictures.map((p) => p.tick), tick);
    const moment = at(this.film.moments.map((m) => m.tick), tick);
    const angles = this.room.angles();
    const far = this.room.tipDistance;
    const words = [clock(tick)];
    if (moment >= 0) words.push(this.film.moments[moment].text);
    $("time").setAttribute("aria-valuetext", words.join(": "));
    $("now").textContent = words.join(": ");
    $("where").textContent = [
      far === null ? "No needle in the patient" : `Tip ${far.toFixed(1)} mm from the nearest planned point`,
      angles ? `C-arm ${angles[0].toFixed(0)}/${angles[1].toFixed(0)} deg` : "",
    ].filter(Boolean).join(". ") + ".";
    if (picture !== this.shown) this.picture(picture);
    for (const row of this.rows) if (row.tagName === "TR") row.classList.toggle("current", Number(row.dataset.n) === moment);
    if (spoken) say($("now").textContent);
  }

  picture(n) {
    this.shown = n;
    const image = $("monitor");
    image.hidden = n < 0;
    if (n >= 0) {
      image.src = root.dataset.picture.replace("00.jpg", `${String(n).padStart(2, "0")}.jpg`);
      image.alt = this.film.pictures[n].caption;
    }
    $("caption").textContent = n < 0 ? "No picture has been taken yet." : `${clock(this.film.pictures[n].tick)}: ${this.film.pictures[n].caption}`;
  }

  step(by) {
    this.pause();
    const ticks = this.film.moments.map((m) => m.tick);
    const next = by > 0 ? ticks.find((t) => t > this.tick) : ticks.filter((t) => t < this.tick).pop();
    if (next !== undefined) this.goto(next, true);
  }

  /* With reduced motion asked for, playing goes from moment to moment, two seconds each. */
  play() {
    if (this.tick >= this.film.last_tick) this.goto(0);
    $("play").textContent = "Pause";
    const speed = () => Number($("speed").value);
    if (calm.matches) {
      const timer = window.setInterval(() => {
        const next = this.film.moments.map((m) => m.tick).find((t) => t > this.tick);
        if (next === undefined) this.pause();
        else this.goto(next);
      }, 2000);
      this.stop = () => window.clearInterval(timer);
      return;
    }
    let before = performance.now();
    let frame = 0;
    let tick = this.tick;
    const run = (now) => {
      tick += ((now - before) / 10) * speed();
      before = now;
      this.goto(tick);
      if (this.tick >= this.film.last_tick) this.pause();
      else frame = window.requestAnimationFrame(run);
    };
    frame = window.requestAnimationFrame(run);
    this.stop = () => window.cancelAnimationFrame(frame);
  }

  pause() {
    if (this.stop) this.stop();
    this.stop = null;
    $("play").textContent = "Play";
  }
}

async function start() {
  const [data, scene] = await Promise.all([fetch(root.dataset.film), fetch(root.dataset.scene)]);
  if (!data.ok || !scene.ok) throw new Error("the film could not be fetched");
  const film = await data.json();
  const room = new Room(film, await scene.arrayBuffer(), $("view"));
  $("controls").hidden = $("stage").hidden = false;
  room.size();
  root.player = new Player(room, film);
  say("");
  root.dataset.ready = "yes";
}

start().catch((error) => {
  $("controls").hidden = $("stage").hidden = true;
  say(`The view in space cannot be shown here (${error.message}). The table below holds every moment and every picture.`);
  root.dataset.ready = "no";
});
