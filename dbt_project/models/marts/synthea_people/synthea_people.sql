-- People of a Synthea population, for analysts. One row per person.
with encounters as (
    select
        person_key,
        count(*) as encounter_count
    from {{ source('deidentified', 'synthea_encounters') }}
    group by person_key
)

select
    people.person_key,
    people.birth_year,
    people.death_year,
    people.gender,
    people.race,
    people.ethnicity,
    people.marital_status,
    people.state,
    people.zip3,
    people.income,
    people.healthcare_expenses,
    people.healthcare_coverage,
    coalesce(encounters.encounter_count, 0) as encounter_count
from {{ source('deidentified', 'synthea_patients') }} as people
left join encounters on people.person_key = encounters.person_key
order by people.person_key
