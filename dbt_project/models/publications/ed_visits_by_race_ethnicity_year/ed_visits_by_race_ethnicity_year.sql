-- Emergency department visits of residents. One row per race and ethnicity and calendar year, and
-- one for all of them in each year; people and visits, 0 or more.
with visits as (
    select person_key, visit_year, race_ethnicity
    from {{ ref('int_ed_visits') }}
),

years as (
    select distinct visit_year from visits
),

-- A-04: a group's own statewide population; the state total where none is known.
groups as (
    select
        if(race_ethnicity = 'Total', 'All', race_ethnicity) as race_ethnicity,
        population_count
    from {{ ref('county_population') }}
    where area = 'California'
    union all
    select 'Unknown' as race_ethnicity, population_count
    from {{ ref('county_population') }}
    where
        area = 'California' and race_ethnicity = 'Total'
        and exists (select 1 from visits where race_ethnicity = 'Unknown')
),

counted as (
    select
        visit_year,
        if(grouping(race_ethnicity) = 1, 'All', race_ethnicity)
            as race_ethnicity,
        count(*) as visit_count,
        count(distinct person_key) as person_count
    from visits
    group by grouping sets ((visit_year, race_ethnicity), (visit_year))
)

select
    groups.race_ethnicity,
    years.visit_year,
    coalesce(counted.visit_count, 0) as visit_count,
    coalesce(counted.person_count, 0) as person_count,
    groups.population_count
from years
cross join groups
left join counted
    on years.visit_year = counted.visit_year and groups.race_ethnicity = counted.race_ethnicity
order by years.visit_year, groups.race_ethnicity
