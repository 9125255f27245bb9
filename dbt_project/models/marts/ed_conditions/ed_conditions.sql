-- Main diagnoses of emergency department visits. One row per person, diagnosis and calendar year.
select
    person_key,
    visit_year,
    condition_group,
    diagnosis_code,
    diagnosis_description,
    count(*) as visit_count
from {{ source('deidentified', 'ed_visits') }}
group by all
order by person_key, visit_year, condition_group, diagnosis_code, diagnosis_description
