-- People seen in emergency departments, for analysts. One row per person.
select
    person_key,
    arg_max(sex, (visit_year, visit_key)) as sex,
    arg_max(race, (visit_year, visit_key)) as race,
    arg_max(ethnicity, (visit_year, visit_key)) as ethnicity,
    arg_max(race_ethnicity, (visit_year, visit_key)) as race_ethnicity,
    arg_max(language, (visit_year, visit_key)) as language,
    min(visit_year) as first_visit_year,
    max(visit_year) as last_visit_year,
    count(*) as visit_count
from {{ source('deidentified', 'ed_visits') }}
group by person_key
order by person_key
