-- Emergency department visits for analysts. One row per visit.
select
    visit_key,
    person_key,
    visit_year,
    age_years,
    {{ age_group('age_years') }} as age_group,
    sex,
    race,
    ethnicity,
    race_ethnicity,
    language,
    zip3,
    payer,
    diagnosis_code,
    diagnosis_description,
    condition_group,
    is_emergency_transport,
    disposition
from {{ source('deidentified', 'ed_visits') }}
order by visit_key
