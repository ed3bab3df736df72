//! Small models, written out.

#![allow(dead_code, reason = "each program that includes this uses a part")]

/// One f32 input `[time, channels]`; the output is twice the input.
pub(crate) fn doubling(time: usize, channels: usize) -> Vec<u8> {
    archive(&format!(
        "graph network(x) -> (y) {{
           x = external(shape = [{time}, {channels}]);
           y = x * 2.0;
         }}"
    ))
}

/// Three inputs of three types. The outputs are twice the floats, the integers and 100, and the flags as
/// they are.
pub(crate) fn several() -> Vec<u8> {
    archive(
        "graph network(floats, integers, flags) -> (scaled, sums, flags) {
           floats = external(shape = [2]);
           integers = tract_core_external(shape = [3], datum_type = 'i64');
           flags = tract_core_external(shape = [2, 1], datum_type = 'bool');
           scaled = floats * 2.0;
           sums = integers + tract_core_cast([100], to = 'i64');
         }",
    )
}

/// One i32 input `[1]`, two outputs: `ratio`, 100 over the input, which panics for 0, and `before`, the
/// input of the run before, 0 at first.
pub(crate) fn panicking() -> Vec<u8> {
    archive(
        "graph network(x) -> (ratio, before) {
           x = tract_core_external(shape = [1], datum_type = 'i32');
           ratio = tract_core_cast([100], to = 'i32') / x;
           before = tract_pulse_delay(x, axis = 0, delay = 1, overlap = 0, zero_pad = true);
         }",
    )
}

/// One f32 input whose length is not fixed.
pub(crate) fn symbolic() -> Vec<u8> {
    archive(
        "extension tract_symbol N;
         graph network(x) -> (x) {
           x = tract_core_external(shape = [N], datum_type = 'f32');
         }",
    )
}

/// A model of one hop of one channel: it gives the last `window` samples, of which `x` is the last `hop` ones and its
/// state the others.
pub(crate) fn remembering(window: usize, hop: usize) -> Vec<u8> {
    let history = window - hop;
    with_properties(
        &[
            ("edgekit.state.0", "1:1"),
            ("edgekit.window", &window.to_string()),
        ],
        &format!(
            "graph network(x, state) -> (frames, next) {{
               x = external(shape = [{hop}, 1]);
               state = external(shape = [{history}, 1]);
               frames = concat([state, x], axis = 0);
               next = slice(frames, axes = [0], begin = [{hop}], end = [{window}]);
             }}"
        ),
    )
}

/// A model with a state of its own: the sums, over all runs, of `time` samples of one channel each.
pub(crate) fn adding(time: usize) -> Vec<u8> {
    with_properties(
        &[("edgekit.state.0", "0:1")],
        &format!(
            "graph network(before, x) -> (sums, after) {{
               before = external(shape = [{time}, 1]);
               x = external(shape = [{time}, 1]);
               after = before + x;
               sums = after * 1.0;
             }}"
        ),
    )
}

/// The archive of a graph with properties.
pub(crate) fn with_properties(properties: &[(&str, &str)], graph: &str) -> Vec<u8> {
    let properties: Vec<_> = properties
        .iter()
        .map(|(key, value)| format!("(\"{key}\", \"{value}\")"))
        .collect();
    archive(&format!(
        "fragment tract_core_properties() -> (properties: (string, tensor<scalar>)[]) {{
           properties = [{}];
         }}
         {graph}",
        properties.join(", ")
    ))
}

/// The archive of a graph without weights.
pub(crate) fn archive(graph: &str) -> Vec<u8> {
    tar(&[("graph.nnef", &text(graph))])
}

/// A graph's whole text.
pub(crate) fn text(graph: &str) -> Vec<u8> {
    let registries =
        "extension tract_registry tract_core;\nextension tract_registry tract_pulse;\n";
    format!("version 1.0;\n{registries}{graph}\n").into_bytes()
}

/// A tar file of these files.
pub(crate) fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, path, *bytes).unwrap();
    }
    tar.into_inner().unwrap()
}

pub(crate) fn floats(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

pub(crate) fn to_floats(bytes: &[u8]) -> Vec<f32> {
    bytes
        .chunks_exact(4)
        .map(|it| f32::from_le_bytes(it.try_into().unwrap()))
        .collect()
}
