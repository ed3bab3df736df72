//! Tensors as they cross the interface: raw bytes with a name, a type and a shape.

use std::fmt;

use tract_core::prelude::{DatumType, TValue, Tensor, TypedFact};

use crate::{Error, Result};

/// One input or output of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct TensorInfo {
    name: String,
    datum_type: DatumType,
    dtype: &'static str,
    shape: Vec<usize>,
}

impl TensorInfo {
    /// # Errors
    ///
    /// [`Error::OpenShape`] or [`Error::UnsupportedType`] if such a tensor cannot cross the interface.
    pub(crate) fn new(name: String, fact: &TypedFact) -> Result<Self> {
        let Some(shape) = fact.shape.as_concrete().map(<[usize]>::to_vec) else {
            let shape = fact
                .shape
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", ");
            return Err(Error::OpenShape {
                tensor: name,
                shape,
            });
        };
        let Some(dtype) = numpy_name(fact.datum_type) else {
            let datum_type = format!("{:?}", fact.datum_type);
            return Err(Error::UnsupportedType {
                tensor: name,
                datum_type,
            });
        };
        Ok(Self {
            name,
            datum_type: fact.datum_type,
            dtype,
            shape,
        })
    }

    /// The name in the model file the archive was made from.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// NumPy's name of the element type: `float32`, `int64`, `uint8`, …; a quantised type's is its integer's.
    #[must_use]
    pub fn dtype(&self) -> &'static str {
        self.dtype
    }

    /// The length of each axis, in elements.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The size of the whole tensor, in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.shape.iter().product::<usize>() * self.datum_type.size_of()
    }

    /// The same with another length along its first axis.
    pub(crate) fn with_length(&self, length: usize) -> Self {
        let mut other = self.clone();
        if let Some(first) = other.shape.first_mut() {
            *first = length;
        }
        other
    }

    pub(crate) fn is_f32(&self) -> bool {
        self.datum_type == DatumType::F32
    }

    /// Copy `bytes` into a tensor of this type and shape.
    ///
    /// # Errors
    ///
    /// [`Error::InputSize`] or [`Error::NotBoolean`] if the bytes are not such a tensor's.
    pub(crate) fn tensor(&self, bytes: &[u8]) -> Result<TValue> {
        self.check(bytes)?;
        self.filled(|tensor| tensor.copy_from_slice(bytes))
    }

    /// Make a tensor of this type and shape whose bytes `fill` writes.
    pub(crate) fn filled(&self, fill: impl FnOnce(&mut [u8])) -> Result<TValue> {
        let mut tensor =
            Tensor::zero_dt(self.datum_type, &self.shape).map_err(|error| Error::run(&error))?;
        fill(tensor.as_bytes_mut());
        Ok(tensor.into())
    }

    /// # Errors
    ///
    /// [`Error::InputSize`] or [`Error::NotBoolean`] if `bytes` are not a tensor of this type and shape.
    pub(crate) fn check(&self, bytes: &[u8]) -> Result<()> {
        let (expected, actual) = (self.size_bytes(), bytes.len());
        if expected != actual {
            return Err(Error::InputSize {
                name: self.name.clone(),
                expected,
                actual,
            });
        }
        // A Rust bool that is neither 0 nor 1 is undefined behaviour, so this is no formality.
        if self.datum_type == DatumType::Bool
            && let Some(position) = bytes.iter().position(|&byte| byte > 1)
        {
            let value = bytes[position];
            return Err(Error::NotBoolean {
                name: self.name.clone(),
                position,
                value,
            });
        }
        Ok(())
    }
}

impl fmt::Display for TensorInfo {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}` {} {:?}", self.name, self.dtype, self.shape)
    }
}

/// The bytes of one output.
#[derive(Debug, Clone)]
pub struct Output(TValue);

impl Output {
    /// # Errors
    ///
    /// [`Error::Run`] if the tensor is not plain numbers in memory.
    pub(crate) fn new(value: TValue) -> Result<Self> {
        value
            .try_as_plain_ram()
            .map_err(|error| Error::run(&error))?;
        Ok(Self(value))
    }

    /// The elements, little-endian and row-major; the output's [`TensorInfo`] says which.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

fn numpy_name(datum_type: DatumType) -> Option<&'static str> {
    Some(match datum_type {
        DatumType::Bool => "bool",
        DatumType::U8 | DatumType::QU8(_) => "uint8",
        DatumType::U16 => "uint16",
        DatumType::U32 => "uint32",
        DatumType::U64 => "uint64",
        DatumType::I8 | DatumType::QI8(_) => "int8",
        DatumType::I16 => "int16",
        DatumType::I32 | DatumType::QI32(_) => "int32",
        DatumType::I64 => "int64",
        DatumType::F16 => "float16",
        DatumType::F32 => "float32",
        DatumType::F64 => "float64",
        DatumType::TDim | DatumType::Blob | DatumType::String => return None,
    })
}
